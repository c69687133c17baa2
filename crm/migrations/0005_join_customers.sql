-- One customer: who was joined with whom, who might be one person, and where a conversation's replies go.

-- A customer who was merged away stays as a sign that points to the survivor. A living one points nowhere.
alter table customers
    add column merged_into uuid references customers (id),
    add column erased_at timestamptz,
    add constraint customers_not_into_itself check (merged_into <> id);
create index customers_merged_into on customers (merged_into) where merged_into is not null;

-- origin_id is the customer for whom a row was first recorded; no merge ever changes it. customer_id is the living customer
-- that origin leads to. So a merge can be undone at any time, in any order, and what came in since goes where it belongs.
create function begin_at_origin() returns trigger language plpgsql as $$
begin
    new.origin_id := coalesce(new.origin_id, new.customer_id);
    return new;
end $$;

alter table customer_identifiers add column origin_id uuid references customers (id);
update customer_identifiers set origin_id = customer_id;
alter table customer_identifiers alter column origin_id set not null;
-- A customer may hold the proof and, from a merge, the claim of one address: the two indexes on (kind, value) rule that.
alter table customer_identifiers drop constraint customer_identifiers_customer_id_kind_value_key;
create index customer_identifiers_customer on customer_identifiers (customer_id);
create index customer_identifiers_origin on customer_identifiers (origin_id);
create trigger customer_identifiers_origin before insert on customer_identifiers
    for each row execute function begin_at_origin();

alter table conversations
    add column origin_id uuid references customers (id),
    -- Replies go out where the conversation came in, or where the customer asked for them.
    add column reply_channel text check (reply_channel in ('email', 'whatsapp')),
    add column reply_recipient text,
    add constraint conversations_moved check ((reply_channel is null) = (reply_recipient is null)),
    add constraint conversations_moved_away check (reply_channel <> channel);
update conversations set origin_id = customer_id;
alter table conversations alter column origin_id set not null;
create index conversations_origin on conversations (origin_id);
create trigger conversations_origin before insert on conversations for each row execute function begin_at_origin();

-- Tickets and messages are whose the conversation is. The database moves them along and refuses any other owner.
alter table conversations add constraint conversations_owner unique (id, customer_id);
create index tickets_conversation on tickets (conversation_id);
alter table tickets
    drop constraint tickets_conversation_id_fkey,
    drop constraint tickets_customer_id_fkey,
    add constraint tickets_owner foreign key (conversation_id, customer_id)
        references conversations (id, customer_id) on update cascade;
alter table messages
    drop constraint messages_conversation_id_fkey,
    drop constraint messages_customer_id_fkey,
    add constraint messages_owner foreign key (conversation_id, customer_id)
        references conversations (id, customer_id) on update cascade;

create table customer_merges (
    id bigint generated always as identity primary key,
    survivor_id uuid not null references customers (id),
    merged_id uuid not null references customers (id),
    reason text not null check (reason <> ''),
    score double precision not null check (score between 0 and 1),
    merged_by text not null,
    merged_at timestamptz not null default now(),
    undone_by text,
    undone_at timestamptz,
    check (survivor_id <> merged_id),
    check ((undone_by is null) = (undone_at is null))
);
create unique index customer_merges_one_standing on customer_merges (merged_id) where undone_at is null;
create index customer_merges_survivor on customer_merges (survivor_id);

-- What two records must share to be compared at all, so that nobody reads every customer for each new one.
create table customer_match_keys (
    customer_id uuid not null references customers (id),
    key text not null,
    primary key (key, customer_id)
);
create index customer_match_keys_customer on customer_match_keys (customer_id);

create table merge_suggestions (
    id bigint generated always as identity primary key,
    one_id uuid not null references customers (id),
    other_id uuid not null references customers (id),
    score double precision not null check (score between 0 and 1),
    reasons text[] not null,
    status text not null default 'open' check (status in ('open', 'accepted', 'rejected')),
    decided_by text,
    decided_at timestamptz,
    created_at timestamptz not null default now(),
    unique (one_id, other_id),
    check (one_id < other_id),
    check ((status = 'open') = (decided_by is null)),
    check ((decided_by is null) = (decided_at is null))
);
create index merge_suggestions_open on merge_suggestions (score desc) where status = 'open';
create index merge_suggestions_other on merge_suggestions (other_id);
