"""Words by which a parameter shows what it decides.

A parameter's name is split into words and compared with the phrases of each rule. A strong phrase decides alone
(weight 2); a weak one (weight 1) needs support from its values (1.5) or its description (0.5 a word). That is all the
reading of names there is: the scan is a lexicon, not a model, and what it misses is counted in docs/guide/scan.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from fairmem.memory.terms import stem

STRONG = 2.0
WEAK = 1.0
LISTED = 1.5
MENTIONED = 0.5
ENOUGH = 2.0
"""Least weight of a match."""

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Words:
    """The vocabulary of one rule; all in the form `stems` gives.

    Attributes:
        strong: Phrases that decide alone.
        weak: Phrases that need support.
        values: Values of which two or more support a match.
        mentions: Words of a description that support one.
    """

    strong: frozenset[tuple[str, ...]]
    weak: frozenset[tuple[str, ...]]
    values: frozenset[str]
    mentions: frozenset[str]


@lru_cache(maxsize=16_384)
def stems(name: str) -> tuple[str, ...]:
    """The words of an identifier, without case and English endings: `autoApproveAll` -> auto, approv, all."""
    return tuple(stem(word.lower()) for word in _WORD.findall(name))


def _words(strong: str, weak: str = "", values: str = "", mentions: str = "") -> Words:
    return Words(
        strong=frozenset(stems(phrase) for phrase in re.split(r"[,\n]\s*", strong.strip()) if phrase),
        weak=frozenset(stems(phrase) for phrase in re.split(r"[,\n]\s*", weak.strip()) if phrase),
        values=frozenset("_".join(stems(value)) for value in values.split()),
        mentions=frozenset(stem(word) for word in mentions.split()),
    )


VOCABULARY: Mapping[str, Words] = {
    "MDS001": _words(
        strong="""force, dry run, no verify, verify, verification, validate, validation, skip validation,
            skip checks, checks, skip preflight, preflight, skip tests, run tests, ssl, tls, certificate,
            insecure, safe, safe search, safe mode, safety, content filter, filter content, moderation, nsfw,
            sandbox, backup, create backup, encrypt, encryption, ignore robots, robots, ignore errors,
            ignore error, continue on error, fail on error, allow unsafe, unsafe, bypass, no verify ssl,
            sanitize, sanitise, strict, strict mode, allow symlink, lint, allow dangerous, dangerous,
            security level, validation level, skip confirmation, simulate, unsafe mode, rollback, atomic,
            health check, trust, no sandbox, allow insecure, check conflicts, ignore conflicts,
            ignore warnings, escape, error handling, test mode, sandbox mode, restrict to, protected, signed,
            use transaction, in transaction""",
        weak="""skip, ignore, allow, disable, check, test, mode, level, no, unsafe, security, safety, policy,
            validation type, protection, guard, enabled, suppress""",
        values="strict lenient warn ignore skip off disable none permissive insecure forbidden safe moderate sandbox",
        mentions="""verify validation validate safety unsafe safe check checks security certificate ssl tls preview
            simulate bypass robots filtering confirmation dangerous risk protection encryption""",
    ),
    "MDS002": _words(
        strong="""auto approve, approve, approval, require approval, auto send, auto submit, auto execute, auto run,
            auto merge, auto confirm, auto accept, auto reply, auto open, auto start, auto deploy,
            auto commit, auto save, confirm, confirmation, require confirmation, interactive, non interactive,
            yes, assume yes, ask user, ask first, human review, attended, unattended, manual, draft, is draft,
            save as draft, publish, auto publish, submit, notify, send notifications, send notification,
            send updates, send email, send immediately, execute, run immediately, execute immediately,
            autonomous, autonomy, autopilot, is suggestion, no commit, commit, dispatch, enable auto,
            request review, publish immediately, review required""",
        weak="""mode, event, send, status, live, immediate, immediately, now, run, active, apply, trigger, accept,
            state, auto, automatic""",
        values="""auto manual approve request_changes comment draft publish published live submit confirm ask always
            never""",
        mentions="""approve approval confirm confirmation automatic automatically immediately draft publish review
            human manually notification notify""",
    ),
    "MDS003": _words(
        strong="""public, private, visibility, is public, is private, share, sharing, shared, share with,
            share type, access, access level, access type, access control, acl, permission, permissions,
            privilege, privileges, role, roles, scope, scopes, audience, expose, anonymous, allow anonymous,
            allow public, admin, is admin, sudo, elevated, privacy, include secrets, include credentials,
            include password, include private, include sensitive, include spam, visible to, discoverable,
            unlisted, read only, readonly, write access, can edit, can write, allow write, allow external,
            external users, guest, guests, send to all, broadcast, protected, privacy level, privacy status,
            sensitivity level, sensitivity, public access, store in memory, who can, restrict to contacts,
            restrict to domain, maintainer can modify, is visible""",
        weak="level, type, allow, mode, security, external, open, everyone, all, group, member, hidden, affiliation",
        values="""public private unlisted internal shared everyone anyone restricted secret owner admin
            administrator editor viewer reader writer commenter write maintain member guest world team
            organization workspace connections""",
        mentions="""public private visibility visible access permission permissions share shared everyone anyone
            anonymous privacy sensitive confidential""",
    ),
    "MDS004": _words(
        strong="""overwrite, replace, replace all, replace existing, delete, delete all, remove, permanent,
            permanently, hard delete, purge, cascade, prune, drop, drop target, destroy, wipe, erase,
            clear all, clear existing, truncate, reset, hard, upsert, recursive delete, delete files,
            delete branch, delete source, remove source, keep original, keep backup, in place, inplace,
            rebase, squash, amend, force push, no fast forward, merge method, if exists, on conflict,
            conflict resolution, conflict strategy, full refresh, expunge, expunge behavior, unset, cancel,
            archive, archived, replace parent, kill, terminate, rewrite""",
        weak="""merge, mode, append, recursive, strategy, behavior, behaviour, existing, operation, keep, all,
            full, save""",
        values="""overwrite replace append skip merge delete archive trash permanent fail error rename purge squash
            rebase deleteforever keep truncate""",
        mentions="""overwrite overwritten delete deleted permanent permanently irreversible undone replace existing
            destroy lost lose erase cascade""",
    ),
    "MDS005": _words(
        strong="""slippage, slippage bps, slippage tolerance, leverage, margin mode, stop loss, take profit, risk,
            risk tolerance, risk level, risk profile, risk appetite, budget, max budget, daily budget,
            lifetime budget, spend, spending, spend limit, spend cap, max spend, bid, bid amount, max bid,
            fee, max fee, fees, platform fee, priority fee, prioritization fee, gas, gas price, gas limit,
            max gas, gas fee, tip, position size, allocation, exposure, collateral, investment, max price,
            price limit, limit price, order type, time in force, reduce only, post only, compute unit price,
            max cost, cost limit, discount, refund, credit limit, interest rate, campaign budget, margin type,
            margin ratio, initial margin""",
        weak="""amount, price, cost, quantity, limit, type, profile, strategy, size, funds, payment, tolerance,
            max accounts""",
        values="""cross isolated market limit stop conservative moderate aggressive balanced low medium high gtc ioc
            fok""",
        mentions="slippage leverage risk loss spend budget fee fees cost payment money price trading trade order",
    ),
    "MDS006": _words(
        strong="""timeout, time out, timeout ms, timeout seconds, max wait, wait for, wait until, wait time, wait,
            wait for completion, wait for network idle, wait for selector, delay, cooldown, deadline,
            due date, ttl, expiry, expiration, expire, expires in, expire seconds, expires, retries,
            max retries, retry, retry count, max attempts, attempts, backoff, rate limit, throttle,
            poll interval, polling interval, retention, retention days, urgency, urgent, expedite, rush,
            interval ms, grace period, lead time, slowly, block, blocking, async, async mode, cache ttl,
            max age""",
        weak="interval, duration, period, speed, time, pace, live crawl, window, days, hours",
        values="immediate immediately now asap urgent fast slow load domcontentloaded networkidle",
        mentions="timeout wait seconds milliseconds retry retries expire expires delay deadline urgent",
    ),
    "MDS007": _words(
        strong="""max depth, search depth, crawl depth, spider depth, quality, accuracy, effort, reasoning effort,
            thoroughness, rigor, max iterations, num iterations, max steps, num steps, num samples,
            sample size, threshold, confidence threshold, similarity threshold, min confidence, min score,
            confidence level, min similarity, score threshold, fuzzy, use fuzzy, exact match, exact,
            temperature, top p, top k, coverage, scan type, scan depth, scan level, scan mode, analysis type,
            analysis depth, analysis level, resolution, optimization level, max tokens, context length,
            strictness, tolerance, bits, key size, mnemonic length, difficulty, complexity, full scan, deep,
            deep scan, deep search, exhaustive, quick, fast, compress, compression, compression level,
            self reflect, allow research, request verification, epochs, password length, error correction,
            number of samples""",
        weak="""level, mode, size, length, range, max, number of, strategy, type, detail, radius, distance,
            tokens, revision, depth, precision, samples, iterations""",
        values="""fast quick thorough deep basic advanced standard shallow full comprehensive brief detailed minimal
            low medium high passive active draft best auto intensive light summary""",
        mentions="""depth thorough thoroughness accuracy quality deep deeper detailed precision confidence exhaustive
            comprehensive similarity levels traverse traversal recursion nested crawl mnemonic iterations""",
    ),
    "MDS008": _words(
        strong="""limit, max results, num results, number of results, page size, per page, count, max items,
            max pages, max rows, rows, top n, num, results, batch size, max count, size, top, max length,
            max characters, max chars, k, first, last, take, max records, max links, n, quantity, max words,
            lines, tail, tail lines, file limit, max files, days, days back, hours, months back, chunk size,
            history length, sample""",
    ),
    "MDS009": _words(
        strong="""verbose, verbosity, brief, concise, summary, summarize, summarise, summary only, detail, details,
            detail level, detailed, full, full details, full data, full text, minimal, minimal output,
            compact, raw, include, exclude, with, show, return, all fields, count only, only, metadata,
            log level, include metadata, quiet, silent, recursive, output format, length, style, tone,
            full page, text only, fields, truncated, response length, response format, highlights,
            image quality, description length, logging""",
    ),
    "MDS010": _words(
        strong="""tier, plan, service tier, pricing plan, subscription, instance type, instance size, machine type,
            machine size, cpu, vcpu, memory mb, memory gb, memory size, ram, disk size, storage size,
            storage class, node count, replicas, replica count, min replicas, max replicas, num workers,
            workers, concurrency, parallelism, threads, capacity, throughput, model size, instance count,
            num instances, gpu, gpu count, cabin class, travel class, shipping method, shipping speed,
            delivery speed, delivery option, room type, seat class, redundancy, availability zone,
            high availability, use cache, fallback, model tier, quota, max instances, compute""",
        weak="""size, model, class, level, sku, profile, provider, engine, type, cache, max accounts, category,
            priority, importance, severity""",
        values="""free pro premium enterprise standard economy business express urgent critical low normal medium
            high small large xlarge micro basic budget luxury cheapest fastest highest lowest""",
        mentions="""cost tier priority cheap cheaper expensive premium capacity performance billing billed pricing
            urgent""",
    ),
}
"""Rule id -> its words."""
