-- Email: a form's reply may go two ways, a mail that joins no conversation may be related to one, and a mailbox has a state.

-- One message, one delivery a channel. A copy of a form's reply by mail says what it carries: it is more than the message.
alter table deliveries drop constraint deliveries_message_id_key;
alter table deliveries add constraint deliveries_one_a_channel unique (message_id, channel);
alter table deliveries add column subject text;
alter table deliveries add column parts jsonb;
-- How much a recipient got of late: what the loop shield and the cap on copies count.
create index deliveries_recipient on deliveries (recipient, created_at);

-- What a person may look at too. It opens nothing: neither history nor data follow it.
alter table conversations add column related_to uuid references conversations (id) check (related_to <> id);
-- Which message a mail answers.
create index messages_mail_id on messages ((headers ->> 'message_id')) where channel = 'email';

-- A mailbox is known from its first check on, also where that fails; the cursor comes with the first sync.
alter table mailboxes alter column history_id drop not null;
alter table mailboxes add column next_check_at timestamptz not null default now();
alter table mailboxes add column synced_at timestamptz;
alter table mailboxes add column failures integer not null default 0 check (failures >= 0);
alter table mailboxes add column last_error text;
alter table mailboxes add column reauth_since timestamptz;
