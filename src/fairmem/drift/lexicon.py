"""Words that give a sentence away as being about working life; no private memory may hold one.

The list errs on the side of refusing: a private sentence can always be said in other words.
"""

from __future__ import annotations

import re

from fairmem.memory.terms import stem, words

_WORK = """
    work job office colleague coworker boss manager employer employee client customer vendor supplier business company
    corporate career profession professional workplace deadline quarterly stakeholder intern promotion desk
"""
_BY_DOMAIN = """
    hospital clinic clinical patient doctor nurse surgeon surgery medication medicine drug dose dosage prescription
    diagnosis therapy ward triage pharmacy symptom treatment vaccine
    bank portfolio investment invest investor stock trading trader trade broker loan credit mortgage fund audit
    ledger invoice payment treasury collateral insurance
    lawyer attorney legal court judge contract clause lawsuit litigation paralegal counsel statute filing deposition
    settlement compliance
    teacher student pupil school university college curriculum syllabus exam classroom lecture homework tuition grade
    grading coursework
    server deploy deployment production database rollback software code cluster kubernetes backup outage incident
    pipeline developer engineer api release staging network firewall
    hiring recruit recruiter candidate payroll salary onboarding offboarding applicant resume interview personnel
    appraisal layoff
    warehouse freight shipment shipping cargo carrier fleet dispatch inventory pallet customs logistics consignment
    forklift truck courier
"""
WORK_WORDS = frozenset((_WORK + _BY_DOMAIN).split())
_STEMS = {stem(word): word for word in sorted(WORK_WORDS)}


def work_words(text: str) -> list[str]:
    """The words of `text` that belong to working life, in order."""
    return [word for word in words(text) if stem(word) in _STEMS]


def word_count(text: str) -> int:
    """Words of `text`, as lengths of memories are compared."""
    return len(re.findall(r"\S+", text))
