-- The CRM: who wrote, what was said, what became of it. Fixed sets are checked here, uniqueness is enforced here.

create table customers (
    id uuid primary key default gen_random_uuid(),
    name text,
    created_at timestamptz not null default now()
);

-- An address that is proved belongs to one customer. A claimed one proves nothing, so it may be claimed by several.
create table customer_identifiers (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null references customers (id),
    kind text not null check (kind in ('email', 'phone', 'whatsapp_user_id')),
    value text not null check (value <> ''),
    evidence text not null check (evidence in ('verified', 'confirmed', 'claimed')),
    created_at timestamptz not null default now(),
    unique (customer_id, kind, value)
);
create unique index customer_identifiers_proved on customer_identifiers (kind, value) where evidence <> 'claimed';
create unique index customer_identifiers_claimed on customer_identifiers (kind, value) where evidence = 'claimed';

create table channel_configs (
    channel text primary key check (channel in ('email', 'whatsapp', 'web_form')),
    enabled boolean not null default true,
    config jsonb not null default '{}',
    updated_at timestamptz not null default now()
);
insert into channel_configs (channel) values ('email'), ('whatsapp'), ('web_form');

-- What the edge accepted. source_key is the provider's own id, so a redelivered webhook is the same row.
create table inbound_events (
    id uuid primary key,
    channel text not null check (channel in ('email', 'whatsapp', 'web_form')),
    kind text not null check (kind in ('message', 'push', 'status', 'decision')),
    source_key text not null check (source_key <> ''),
    body jsonb not null,
    body_hash text not null,
    raw bytea,
    ticket_id text unique,
    received_at timestamptz not null default now(),
    status text not null default 'accepted' check (status in ('accepted', 'done', 'dead')),
    processed_at timestamptz,
    unique (channel, kind, source_key),
    check ((status = 'accepted') = (processed_at is null))
);
create index inbound_events_unfinished on inbound_events (received_at) where status = 'accepted';

create table conversations (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null references customers (id),
    channel text not null check (channel in ('email', 'whatsapp', 'web_form')),
    thread_key text,
    subject text,
    evidence text not null check (evidence in ('verified', 'confirmed', 'claimed')),
    owner text not null default 'assistant' check (owner in ('assistant', 'human')),
    owner_epoch integer not null default 0,
    sentiment double precision check (sentiment between 0 and 1),
    thread jsonb not null default '{}',
    last_inbound_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (channel, thread_key)
);
create index conversations_customer on conversations (customer_id, updated_at desc);

create table tickets (
    id text primary key check (id ~ '^tkt_[0-9A-Za-z]{22}$'),
    conversation_id uuid not null references conversations (id),
    customer_id uuid not null references customers (id),
    channel text not null check (channel in ('email', 'whatsapp', 'web_form')),
    subject text,
    category text not null default 'general' check (category in ('general', 'technical', 'billing', 'feedback', 'bug_report')),
    priority text not null default 'medium' check (priority in ('low', 'medium', 'high')),
    status text not null default 'open' check (status in ('open', 'processing', 'escalated', 'resolved', 'closed')),
    escalation_reason text,
    sentiment double precision check (sentiment between 0 and 1),
    resolved_by text check (resolved_by in ('assistant', 'human')),
    first_response_at timestamptz,
    resolved_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- Law 4: sentiment is checked before the assistant closes anything.
    check (status <> 'resolved' or resolved_by = 'human' or sentiment is not null),
    check ((status = 'escalated') <= (escalation_reason is not null))
);
create unique index tickets_one_open on tickets (conversation_id) where status <> 'closed';
create index tickets_status on tickets (status, updated_at);

create table turns (
    id uuid primary key default gen_random_uuid(),
    conversation_id uuid not null references conversations (id),
    ticket_id text not null references tickets (id),
    status text not null default 'running' check (status in ('running', 'waiting', 'done')),
    outcome text check (outcome in ('answered', 'handed_over', 'silent')),
    reason text,
    owner_epoch integer not null,
    lease uuid not null,
    lease_until timestamptz not null,
    attempt integer not null default 1,
    graph_version text not null,
    intent text,
    sentiment double precision check (sentiment between 0 and 1),
    state jsonb not null default '{}',
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    check ((status = 'done') = (finished_at is not null)),
    check (status = 'running' or outcome is not null)
);
-- One turn of a conversation is open at a time.
create unique index turns_one_open on turns (conversation_id) where status <> 'done';
create index turns_unfinished on turns (lease_until) where status = 'running';

create table messages (
    id uuid primary key default gen_random_uuid(),
    seq bigint generated always as identity,
    conversation_id uuid not null references conversations (id),
    customer_id uuid not null references customers (id),
    ticket_id text not null references tickets (id),
    turn_id uuid references turns (id),
    inbound_event_id uuid references inbound_events (id),
    channel text not null check (channel in ('email', 'whatsapp', 'web_form')),
    direction text not null check (direction in ('inbound', 'outbound')),
    author text not null check (author in ('customer', 'assistant', 'human', 'system')),
    kind text not null default 'message' check (kind in ('message', 'reply', 'handover_notice')),
    subject text,
    body text not null,
    full_body text,
    parts jsonb,
    provider_message_id text,
    automatic text,
    attachments jsonb not null default '[]',
    headers jsonb not null default '{}',
    owner_epoch integer,
    sentiment double precision check (sentiment between 0 and 1),
    -- Law 2: what became of an inbound message, and why.
    outcome text check (outcome in ('answered', 'handed_over', 'silent')),
    outcome_reason text,
    created_at timestamptz not null default now(),
    sent_at timestamptz,
    unique (channel, direction, provider_message_id),
    check ((direction = 'inbound') = (author = 'customer')),
    check (direction = 'inbound' or (turn_id is not null and owner_epoch is not null and parts is not null))
);
-- Law 3: one reply a turn, one hand-over notice a turn.
create unique index messages_one_a_turn on messages (turn_id, kind) where direction = 'outbound';
create index messages_turn on messages (turn_id);
create index messages_answers on messages (conversation_id) where direction = 'outbound';
create index messages_conversation on messages (conversation_id, seq);
create index messages_waiting on messages (conversation_id, seq) where direction = 'inbound' and outcome is null;

-- Law 5: the database refuses a send that was begun before a person took the conversation over.
create function refuse_stale_send() returns trigger language plpgsql as $$
declare
    current_epoch integer;
    current_owner text;
begin
    select owner_epoch, owner into current_epoch, current_owner from conversations where id = new.conversation_id for update;
    if new.owner_epoch <> current_epoch or (new.author = 'assistant' and new.kind = 'reply' and current_owner <> 'assistant') then
        raise exception 'send with epoch % refused, the conversation is at %', new.owner_epoch, current_epoch using errcode = 'P0FT1';
    end if;
    return new;
end $$;
create trigger messages_fence before insert on messages for each row when (new.direction = 'outbound') execute function refuse_stale_send();

create table reply_sources (
    message_id uuid not null references messages (id),
    sentence_no integer not null,
    sentence text not null,
    passage_id uuid not null,
    passage_hash text not null,
    slug text not null,
    title text not null,
    url text,
    score double precision not null,
    knowledge_version bigint not null,
    primary key (message_id, sentence_no, passage_id)
);

create table deliveries (
    id uuid primary key default gen_random_uuid(),
    message_id uuid not null unique references messages (id),
    channel text not null check (channel in ('email', 'whatsapp', 'web_form')),
    recipient text not null,
    status text not null default 'queued' check (status in ('queued', 'sending', 'sent', 'delivered', 'read', 'failed')),
    provider_message_id text,
    attempts integer not null default 0,
    lease_until timestamptz,
    next_attempt_at timestamptz not null default now(),
    progress jsonb not null default '{}',
    last_error text,
    created_at timestamptz not null default now(),
    sent_at timestamptz,
    delivered_at timestamptz
);
create index deliveries_unfinished on deliveries (next_attempt_at) where status in ('queued', 'sending');
create index deliveries_provider on deliveries (provider_message_id) where provider_message_id is not null;

create table reviews (
    id uuid primary key default gen_random_uuid(),
    turn_id uuid not null unique references turns (id),
    ticket_id text not null references tickets (id),
    conversation_id uuid not null references conversations (id),
    channel text not null check (channel in ('email', 'whatsapp', 'web_form')),
    reason text not null,
    rule text not null,
    evidence text not null,
    counterfactual text not null,
    summary text not null,
    draft text,
    status text not null default 'open' check (status in ('open', 'decided', 'done')),
    version integer not null default 1,
    decision text check (decision in ('approve', 'edit', 'respond', 'reject')),
    decision_text text,
    decision_note text,
    decided_by text,
    decided_at timestamptz,
    created_at timestamptz not null default now(),
    check ((status = 'open') = (decision is null))
);
create index reviews_open on reviews (created_at) where status = 'open';

-- Every event is a row written in the transaction that made it true; a relay publishes it.
create table outbox (
    id bigint generated always as identity primary key,
    event_id uuid not null unique,
    topic text not null,
    key text not null,
    type text not null,
    payload jsonb not null,
    trace jsonb not null default '{}',
    occurred_at timestamptz not null default now(),
    available_at timestamptz not null default now(),
    published_at timestamptz
);
create index outbox_pending on outbox (id) where published_at is null;

create table dead_letters (
    id uuid primary key default gen_random_uuid(),
    topic text not null,
    key text,
    event_id uuid,
    type text,
    raw bytea not null,
    error_class text not null,
    error text not null,
    attempts integer not null,
    status text not null default 'open' check (status in ('open', 'replayed', 'dropped')),
    created_at timestamptz not null default now(),
    resolved_at timestamptz,
    resolved_by text
);
create unique index dead_letters_one_open on dead_letters (topic, event_id) where status = 'open';

create table agent_metrics (
    id bigint generated always as identity primary key,
    turn_id uuid not null references turns (id),
    channel text not null check (channel in ('email', 'whatsapp', 'web_form')),
    node text not null,
    duration_ms double precision not null,
    at timestamptz not null default now()
);
create index agent_metrics_node on agent_metrics (channel, node, at);

create table api_keys (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    prefix text not null unique,
    hash text not null,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);

create table audit_log (
    id bigint generated always as identity primary key,
    actor text not null,
    action text not null,
    object text not null,
    detail jsonb not null default '{}',
    at timestamptz not null default now()
);

-- The cursor of a mailbox: what Gmail's history was read up to. It only moves forward.
create table mailboxes (
    address text primary key,
    history_id bigint not null,
    watch_expires_at timestamptz,
    updated_at timestamptz not null default now()
);
