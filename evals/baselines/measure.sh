#!/bin/sh
# How the reports beside this file were made: evals/baselines/measure.sh DATA [NAME...]
# DATA is the folder of the public data sets; without names every baseline is measured again.
set -u
cd "$(dirname "$0")/../.." || exit 1
data=$1
shift
wanted=" $* "
scratch=$(mktemp -d)
split=$scratch/split
trap 'rm -rf "$scratch"' EXIT

baseline() {
    name=$1
    shift
    case $wanted in "  " | *" $name "*) ;; *) return ;; esac
    .venv/bin/fte eval run "$@" --no-faults --json "evals/baselines/$name.json" || echo "$name: not whole"
}

for set in banking77 clinc150; do
    .venv/bin/python -m evals.split "$data/$set/dev/$set.jsonl" "$split/$set"
done

# the dossier's own cases
baseline triage-dossier triage
baseline sentiment-dossier sentiment
baseline retrieval-dossier retrieval
baseline guardrail-dossier guardrail
baseline grounding-dossier grounding
baseline reply-dossier reply
baseline conversation-dossier conversation --trials 3

# data that nobody here wrote
baseline triage-banking77 triage --dataset "$split/banking77/questions.jsonl" --examples "$split/banking77/examples.jsonl"
baseline triage-clinc150 triage --dataset "$split/clinc150/questions.jsonl" --examples "$split/clinc150/examples.jsonl"
baseline triage-bitext-zero-shot triage --dataset "$data/bitext_support/dev/bitext.jsonl"
baseline reply-stackfaq reply --dataset "$data/kb_stackfaq/dev/questions.jsonl" --kb "$data/kb_stackfaq/common/articles.jsonl"
baseline retrieval-stackfaq retrieval --dataset "$data/kb_stackfaq/dev/questions.jsonl" --kb "$data/kb_stackfaq/common/articles.jsonl" --against-recipe
baseline retrieval-techqa retrieval --dataset "$data/kb_techqa/dev/questions.jsonl" --kb "$data/kb_techqa/common/articles.jsonl" --against-recipe
baseline retrieval-polar retrieval --dataset "$data/kb_polar/dev/questions.jsonl" --kb "$data/kb_polar/common/articles.jsonl" --against-recipe
baseline retrieval-arduino retrieval --dataset "$data/kb_arduino/dev/questions.jsonl" --kb "$data/kb_arduino/common/articles.jsonl"
baseline retrieval-pypi_help retrieval --dataset "$data/kb_pypi_help/dev/questions.jsonl" --kb "$data/kb_pypi_help/common/articles.jsonl" --no-titles
baseline retrieval-tau2_banking retrieval --dataset "$data/kb_tau2_banking/dev/tasks.jsonl" --kb "$data/kb_tau2_banking/common/articles.jsonl"
.venv/bin/python -m evals.plant "$data/inj_agentdojo/dev/injections.jsonl" "$data/inj_agentdojo/dev/inbox.jsonl" "$scratch/planted/agentdojo/mails.jsonl"
for suite in guardrail injection; do
    baseline "$suite-bastion" "$suite" --dataset "$data/inj_bastion/dev/injections.jsonl"
    baseline "$suite-bipia" "$suite" --dataset "$data/inj_bipia_email/dev/mixed.jsonl"
    baseline "$suite-jailbreaks" "$suite" --dataset "$data/inj_jailbreaks/dev/prompts.jsonl"
    baseline "$suite-agentdojo" "$suite" --dataset "$scratch/planted/agentdojo/mails.jsonl"
done
baseline guardrail-bitext guardrail --dataset "$data/bitext_support/dev/bitext.jsonl"
baseline mail-auto mail --dataset "$data/mail_auto_class/dev/mails.jsonl"
baseline mail-reply mail --dataset "$data/mail_reply_trim/dev/cases.jsonl"
baseline mail-raw mail --dataset "$data/mail_raw/dev/mails.jsonl"
baseline identity-febrl1 identity --dataset "$data/febrl/dev/dataset1.jsonl"
baseline identity-febrl2 identity --dataset "$data/febrl/dev/dataset2.jsonl"
baseline identity-febrl3 identity --dataset "$data/febrl/dev/dataset3.jsonl"
baseline identity-febrl4 identity --dataset "$data/febrl/dev/dataset4a.jsonl" --dataset "$data/febrl/dev/dataset4b.jsonl"
baseline sentiment-vader sentiment --dataset "$data/vader_human_ratings/dev/reviews_tweets.jsonl"
baseline sentiment-goemotions sentiment --dataset "$data/goemotions/dev/goemotions.jsonl"
baseline guardrail-hatecheck guardrail --dataset "$data/hatecheck/dev/hatecheck.jsonl"
baseline guardrail-abuse guardrail --dataset "$data/profanity_lists/dev/rtp_insult.jsonl" --dataset "$data/profanity_lists/dev/rtp_profanity.jsonl" --dataset "$data/profanity_lists/dev/rtp_threat.jsonl"
