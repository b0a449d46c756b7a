"""What can go wrong with a call to an engine. One class per thing a caller can do about it."""


class EngineError(Exception):
    """The verb refused: a bad manifest, a bad template, a wrong key. The same call will fail again."""


class EngineTimeout(EngineError):
    """The verb did not answer in time. It has been cancelled, or its process will be killed."""


class EngineGone(Exception):
    """The process ended during the call, perhaps through another call's fault. The same call may succeed later."""


class EngineKilled(EngineGone):
    """A signal from outside ended the process: no call was to blame, or one for which the kernel ran out of memory."""


class EngineGoneMeanwhile(EngineGone):
    """The process ended while the call waited for our answer: another call was to blame."""


class AnswerRefused(Exception):
    """What a verb asked for cannot be had: raised by who answers, and told to the verb."""


class EngineMissing(Exception):
    """The program is not installed. Nothing will help but building it."""
