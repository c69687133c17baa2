-- Law 6: why each sentence of a sent reply was taken. reply_sources says which passages it cites.
create table reply_sentences (
    message_id uuid not null references messages (id),
    sentence_no integer not null,
    sentence text not null check (sentence <> ''),
    kind text not null check (kind in ('verbatim', 'worded', 'foreign', 'courtesy')),
    score double precision not null check (score between 0 and 1),
    rules text not null,
    judged_by text,
    primary key (message_id, sentence_no),
    -- What the rules cannot read is sent on a model's word alone.
    check (kind <> 'foreign' or judged_by is not null)
);

-- Which replies relied on a passage, or on any passage of a page.
create index reply_sources_passage on reply_sources (passage_id);
create index reply_sources_slug on reply_sources (slug);

-- A chunk is never changed or deleted, only retired: the database sees to it, because proofs rest on it.
create function refuse_chunk_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or (new.article_id, new.heading, new.text, new.hash) is distinct from (old.article_id, old.heading, old.text, old.hash) then
        raise exception 'chunk % is kept as it is: replies may rest on it', old.id using errcode = 'P0FT2';
    end if;
    return new;
end $$;
create trigger knowledge_chunks_kept before update or delete on knowledge_chunks for each row execute function refuse_chunk_change();
