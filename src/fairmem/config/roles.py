"""Sections about who reads and writes memory: the models, and what the agents see."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fairmem.config.section import Count, NonNegative, Positive, Section


class ModelConfig(Section):
    """The model that is trained."""

    path: str = "bundled"
    """`bundled`, the folder of any Hugging Face causal language model, or a folder with one below it per role."""
    backbones: Literal["shared", "separate"] = "shared"
    """Extractor and manager are two roles of one model, or each has a model of its own that learns from its turns."""
    train: Literal["all", "extractor", "manager", "answerer"] = "all"
    """Whose turns are learned from; the other role is played by a frozen copy of the start weights, or by `frozen`.
    `answerer`: the model of `answerer.path` learns to answer from memories that `path`, frozen, keeps."""
    frozen: str = ""
    """The model of the role that is not trained, with `train` an extractor or a manager; empty: as `path` says.
    `bundled:extractor` is the bundled model after `memory_r2_small`, which notes nearly all that is said."""
    reference: str = "start"
    """What the KL term compares with: `start` (the run's first weights), `stage` (the stage's first) or a folder."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the weights; `auto` is bfloat16 where the device computes in it, else float32."""
    device: str = "auto"
    """`auto` (CUDA if there is one, else CPU), `cpu`, `cuda` or `cuda:N`."""
    lora_rank: Count = 0
    """Rank of the trained LoRA adapters; 0 trains all weights. Needs the extra `lora`."""


class SamplerConfig(Section):
    """Servers that sample in place of the trained model (docs/guide/served.md); left out, it samples itself."""

    path: str = ""
    """`openai:NAME` for the model NAME on servers that take and give token ids, such as vLLM; empty is none."""
    servers: tuple[str, ...] = ()
    """Addresses, up to and with `/v1`; equal prompts go to the same server."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the servers' key; it may be unset."""
    in_flight: Positive = 256
    """Most requests in flight at one server; fewer while it says that it is busy."""
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 300.0
    """Seconds to wait for an answer, and for a busy server."""
    attempts: Positive = 5
    """Most HTTP requests for one sample; those that found a server busy do not count."""
    wait: NonNegative = 0.0
    """Seconds to wait at the start until the servers are there; the first weights are exported before."""
    sync: Literal["vllm", "http", "command", "none"] = "vllm"
    """How servers are told of new weights: vLLM's `reload_weights`, a POST to `sync_url`, a command, or not at all."""
    sync_url: str = ""
    """`http`: is sent `{"folder": ..., "version": N}`, and has loaded the weights when it answers 200."""
    sync_command: str = ""
    """`command`: run without a shell after each export, with {folder} and {version} filled in; 0 means loaded."""
    sync_every: Positive = 1
    """Training steps between two exports of the weights; above 1 the samples are that many versions old at most."""
    folder: str = ""
    """Where weights are exported to, and the servers read them from; empty is `served` in the run's folder."""
    max_staleness: Count = 0
    """Rows sampled by weights that are more versions (training steps) old are dropped and counted."""
    tolerance: NonNegative = 0.5
    """Most mean difference of a probe's log-probabilities, server to learner, after an export (nats per token)."""


class AnswererConfig(Section):
    """The frozen model that answers questions from the memory bank; its F1 is the reward."""

    path: str = "bundled"
    """`bundled`, a model folder, or `openai:NAME` for any OpenAI-compatible endpoint."""
    base_url: str = ""
    """Address of the endpoint, for `openai:NAME`."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the endpoint's key; it may be unset."""


class TeacherConfig(Section):
    """Who decides in the place of the trained role: in demonstrations, and for the stored memories of `bandit`.

    Only read where `rollout.unit` is one of the two.
    """

    path: str = "rules"
    """`rules` (the careful manager of generated conversations, without a model), `policy` (the trained model itself,
    greedy), `bundled`, a model folder, or `openai:NAME`."""
    base_url: str = ""
    """Address of the endpoint, for `openai:NAME`."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the endpoint's key; it may be unset."""


class AgentsConfig(Section):
    """What the three roles see and how much they may write."""

    roles: Literal["two", "single", "writer"] = "two"
    """Extractor and manager, one agent that reads turns and writes operations in one call per chunk, or the writer of a
    structured memory (core, semantic and episodic store)."""
    chunks_per_session: Positive = 2
    """Slices a session is cut into; one extractor and one manager call each."""
    related_per_fact: Positive = 5
    """Memory entries retrieved for each extracted fact."""
    related_max: Positive = 25
    """Most entries a manager prompt shows."""
    related_min_score: float = 0.1
    """Entries below this retrieval score are not shown to the manager."""
    shown_per_speaker: Positive = 8
    """Entries per speaker that the answerer sees (30 in Memory-R2 and in Memory-R1)."""
    distill: bool = False
    """Whether the answerer first says which of the entries shown it keeps (Memory-R1); what it keeps is then scored."""
    shown_per_store: Positive = 20
    """Entries per store of a structured memory that the answerer sees, beside the core."""
    core_max_tokens: Positive = 512
    """Most tokens of the core text of a structured memory; a longer one is refused."""
    search_rounds: Count = 0
    """How often the writer may search its memory before it is done with a chunk (`instruct` models only)."""
    writer_calls: Literal["text", "native"] = "text"
    """How the writer calls its tools: as JSON in its reply, or natively at an endpoint that has tool calling."""
    retriever: str = "hybrid"
    """A key of `fairmem.memory.RETRIEVERS`."""
    embedder: str = "hashed"
    """`hashed` (built in, deterministic), or an embedder of the extra `embed`."""
    extractor_max_tokens: Positive = 96
    """Most tokens of one extractor reply."""
    manager_max_tokens: Positive = 96
    """Most tokens of one manager (or single agent, or writer) reply."""
    answerer_max_tokens: Positive = 96
    """Most tokens of one answer."""
    history: bool = False
    """Whether the extractor sees its earlier chunks of the same session (`instruct` models only)."""
