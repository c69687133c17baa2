-- What must be known in the moment of sending (consent, pace, the customer's last word), and what providers said later.

-- Every STOP and START of an address, and every refusal of a provider that says the same. The newest word holds.
create table consents (
    id bigint generated always as identity primary key,
    channel text not null check (channel in ('email', 'whatsapp', 'web_form')),
    address text not null check (address <> ''),
    word text not null check (word in ('stop', 'start')),
    source text not null check (source in ('customer', 'provider')),
    reference text not null check (reference <> ''),
    said_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    unique (channel, address, word, reference)
);
create index consents_newest on consents (channel, address, said_at desc, id desc);

-- When the next message may go to a recipient, over all conversations and processes.
create table recipient_slots (
    channel text not null check (channel in ('email', 'whatsapp', 'web_form')),
    recipient text not null,
    free_at timestamptz not null,
    primary key (channel, recipient)
);

-- The highest status reported of each message at the provider. A row without a delivery waits for one: it came early.
create table provider_reports (
    channel text not null check (channel in ('email', 'whatsapp', 'web_form')),
    provider_message_id text not null,
    delivery_id uuid references deliveries (id) on delete cascade,
    part integer,
    status text not null check (status in ('queued', 'sending', 'sent', 'failed', 'delivered', 'read')),
    error_code text,
    error text,
    first_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (channel, provider_message_id)
);
create index provider_reports_delivery on provider_reports (delivery_id) where delivery_id is not null;

-- Up to when a provider was asked for messages whose webhook never came. It only moves forward.
create table provider_cursors (
    channel text primary key check (channel in ('email', 'whatsapp', 'web_form')),
    read_until timestamptz not null,
    updated_at timestamptz not null default now()
);

-- When the provider was last asked what became of a delivery; `replaced_by` is the template that went instead.
alter table deliveries add column asked_at timestamptz,
    add column replaced_by uuid references messages (id) on delete set null;
create index deliveries_sent on deliveries (sent_at) where status = 'sent';
create index conversations_recipient on conversations (channel, (thread ->> 'recipient'));
