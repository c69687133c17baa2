-- The company's documents: articles, their chunks, and what the search needs to weigh words.
CREATE EXTENSION IF NOT EXISTS vector;

-- Every sync that changes something makes a version. It carries the size of the corpus as of then, for BM25.
CREATE TABLE knowledge_versions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT now(),
    summary      text NOT NULL,
    chunk_count  integer NOT NULL CHECK (chunk_count >= 0),
    lexeme_count bigint NOT NULL CHECK (lexeme_count >= 0)
);

CREATE TABLE knowledge_articles (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    source        text NOT NULL,
    slug          text NOT NULL UNIQUE,
    title         text NOT NULL,
    summary       text,
    url           text,
    category      text,
    product       text,
    version       text,
    updated_on    date,
    content_hash  text NOT NULL,
    model_id      text NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    changed_at    timestamptz NOT NULL DEFAULT now(),
    removed_at    timestamptz
);

-- A chunk is never changed or deleted, only retired: the sources of a sent reply stay checkable.
-- `lexemes` are ours (crm/knowledge/lexemes.py), words of title and headings weighted A. `heading_embedding` is the
-- vector of title and headings alone; a page without a title has none.
CREATE TABLE knowledge_chunks (
    id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    article_id        uuid NOT NULL REFERENCES knowledge_articles,
    ordinal           integer NOT NULL CHECK (ordinal >= 0),
    heading           text NOT NULL,
    text              text NOT NULL,
    hash              text NOT NULL,
    lexemes           tsvector NOT NULL,
    lexeme_count      integer NOT NULL CHECK (lexeme_count >= 0),
    embedding         vector(384) NOT NULL,
    heading_embedding vector(384),
    model_id          text NOT NULL,
    since_version     bigint NOT NULL REFERENCES knowledge_versions,
    retired_at        timestamptz
);
CREATE UNIQUE INDEX knowledge_chunks_live ON knowledge_chunks (article_id, hash) WHERE retired_at IS NULL;
CREATE INDEX knowledge_chunks_lexemes ON knowledge_chunks USING gin (lexemes) WHERE retired_at IS NULL;
CREATE INDEX knowledge_chunks_embedding ON knowledge_chunks
    USING hnsw (embedding vector_cosine_ops) WHERE retired_at IS NULL;
CREATE INDEX knowledge_chunks_heading_embedding ON knowledge_chunks
    USING hnsw (heading_embedding vector_cosine_ops) WHERE retired_at IS NULL;

-- How customers ask for what a section answers, in their words (front matter `questions`): another way to be found.
CREATE TABLE knowledge_phrasings (
    article_id uuid NOT NULL REFERENCES knowledge_articles,
    heading    text NOT NULL,
    text       text NOT NULL,
    embedding  vector(384) NOT NULL,
    model_id   text NOT NULL,
    PRIMARY KEY (article_id, heading, text)
);
CREATE INDEX knowledge_phrasings_embedding ON knowledge_phrasings USING hnsw (embedding vector_cosine_ops);

-- In how many live chunks a lexeme occurs.
CREATE TABLE knowledge_lexemes (
    lexeme      text PRIMARY KEY,
    chunk_count integer NOT NULL CHECK (chunk_count > 0)
);
