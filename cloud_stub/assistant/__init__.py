"""What was asked, what is to be done, what is answered.

The assistant is pure: it reads and writes nothing. It is given a request and a view of what is remembered, and
returns an `Outcome` that the ingest carries out. What can be asked is data, in `cloud_stub/intents`.
"""

from collections.abc import Callable
from pathlib import Path

from cloud_stub.assistant import buying, facts, planning, privacy, questions, sending
from cloud_stub.assistant.outcome import Change, Deletion, Draft, Forget, Memory, Outcome, PartnerOrder, Request
from cloud_stub.assistant.understanding import TEMPLATES, Understanding, Understood

__all__ = [
    "ANSWERS",
    "Assistant",
    "Change",
    "Deletion",
    "Draft",
    "Forget",
    "Memory",
    "Outcome",
    "PartnerOrder",
    "Request",
]

#: What answers each intent of the templates.
ANSWERS: dict[str, Callable[[Request, Understood, Memory], Outcome]] = {
    "SetAlarm": planning.set_alarm,
    "SetReminder": planning.set_reminder,
    "ScheduleMeeting": planning.schedule_meeting,
    "SetTimer": planning.set_timer,
    "ListAlarms": planning.list_alarms,
    "ListReminders": planning.list_reminders,
    "ListMeetings": planning.list_meetings,
    "ListTimers": planning.list_timers,
    "SendMessage": sending.send_message,
    "AddListItem": sending.add_list_item,
    "ListItems": sending.list_items,
    "RememberFact": facts.remember,
    "RecallFact": facts.recall,
    "ForgetFact": facts.forget,
    "Subscribe": buying.subscribe,
    "OrderGroceries": buying.order_groceries,
    "RequestRide": buying.request_ride,
    "OrderPizza": buying.order_pizza,
    "BuyInSkill": buying.buy_in_skill,
    "DeleteLast": privacy.delete_last,
    "DeleteRange": privacy.delete_range,
    "DeleteAll": privacy.delete_all,
    "ChangeSetting": privacy.change_setting,
    "AskAboutMe": privacy.ask_about_me,
    "AskHistory": questions.reply,
    "AskPrivacy": questions.reply,
    "AskTime": questions.ask_time,
    "AskDate": questions.ask_date,
    "AskWeather": questions.reply,
    "SmallTalk": questions.reply,
    "CannotDo": questions.reply,
}


class Assistant:
    """Understands requests by one folder of sentence templates. Keeps nobody's words between two requests."""

    def __init__(self, folder: Path | None = None) -> None:
        """Raises ValueError where the folder's templates and what can be answered do not fit together."""
        self.understanding = Understanding(folder or TEMPLATES)
        unanswered = set(self.understanding.intents.intents) - set(ANSWERS)
        if unanswered:
            raise ValueError(
                f"No answer for intent {', '.join(sorted(unanswered))}. Expected one of {', '.join(ANSWERS)}."
            )

    def answer(self, request: Request, memory: Memory) -> Outcome:
        """What the request asks for; intent Empty for no words at all, Unknown where no template fits."""
        if not request.text.strip():
            return Outcome("Empty", "")
        asked = self.understanding.understand(request.text)
        if asked is None:
            return Outcome("Unknown", "Sorry, I don't know that one.")
        try:
            return ANSWERS[asked.intent](request, asked, memory)
        except planning.NeverComesError:
            return Outcome(asked.intent, "That time never comes, so I did nothing.")
