-- What language models were asked in a turn, what became of it and what it cost. Kept for turns that failed, too.
create table model_calls (
    id uuid primary key,
    turn_id uuid not null references turns (id),
    channel text not null check (channel in ('email', 'whatsapp', 'web_form')),
    node text not null,
    model text not null,
    outcome text not null,
    input_tokens integer not null check (input_tokens >= 0),
    cached_tokens integer not null check (cached_tokens between 0 and input_tokens),
    output_tokens integer not null check (output_tokens >= 0),
    reasoning_tokens integer not null check (reasoning_tokens between 0 and output_tokens),
    -- Null is unknown: a model without a price, or an answer that was made and never came.
    cost_usd_micros bigint check (cost_usd_micros >= 0),
    latency_ms double precision not null,
    at timestamptz not null default now()
);
create index model_calls_turn on model_calls (turn_id);
create index model_calls_channel on model_calls (channel, at);

-- A customer's day and a conversation's turns are read by conversation.
create index turns_conversation on turns (conversation_id, started_at);
