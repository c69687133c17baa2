"""The five tools, in the order in which a turn uses them."""

from __future__ import annotations

from tools.create_ticket import create_ticket
from tools.escalate_to_human import escalate_to_human
from tools.get_customer_history import get_customer_history
from tools.search_knowledge_base import search_knowledge_base
from tools.send_response import send_response

TOOLS = (create_ticket, get_customer_history, search_knowledge_base, send_response, escalate_to_human)
