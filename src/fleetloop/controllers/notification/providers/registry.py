"""Which function serves which type of Provider."""

from collections.abc import Mapping

from fleetloop.controllers.notification.providers import (
    alarms,
    azuredevops,
    azureeventhub,
    bitbucket,
    chats,
    generic,
    gitea,
    github,
    gitlab,
    googlechat,
    googlepubsub,
    msteams,
    nats,
    otel,
    slack,
)
from fleetloop.controllers.notification.providers.sending import Send


def providers(azure_authority: str) -> Mapping[str, Send]:
    """`azure_authority`: the environment's AZURE_AUTHORITY_HOST."""
    suffix = azureeventhub.suffix_of(azure_authority)
    return {
        "alertmanager": alarms.send_alertmanager,
        "azuredevops": azuredevops.send_status,
        "azureeventhub": azureeventhub.eventhub_at(lambda host: f"https://{host if '.' in host else f'{host}.{suffix}'}"),
        "bitbucket": bitbucket.send_status,
        "bitbucketserver": bitbucket.send_server_status,
        "datadog": alarms.send_datadog,
        "discord": slack.send_discord,
        "generic": generic.send,
        "generic-hmac": generic.send_signed,
        "gitea": gitea.send_status,
        "giteapullrequestcomment": gitea.send_comment,
        "github": github.send_status,
        "githubdispatch": github.send_dispatch,
        "githubpullrequestcomment": github.send_comment,
        "gitlab": gitlab.send_status,
        "gitlabmergerequestcomment": gitlab.send_comment,
        "googlechat": googlechat.send,
        "googlepubsub": googlepubsub.pubsub_at(googlepubsub.PUBSUB),
        "grafana": alarms.send_grafana,
        "lark": chats.send_lark,
        "matrix": chats.send_matrix,
        "msteams": msteams.send,
        "nats": nats.send,
        "opsgenie": alarms.send_opsgenie,
        "otel": otel.send,
        "pagerduty": alarms.send_pagerduty,
        "rocket": slack.send_rocket,
        "sentry": alarms.send_sentry,
        "slack": slack.send,
        "telegram": chats.telegram_at(chats.TELEGRAM),
        "webex": chats.send_webex,
        "zulip": chats.send_zulip,
    }
