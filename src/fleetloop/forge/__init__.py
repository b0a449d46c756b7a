"""Git forges (GitHub, GitLab, Gitea, Bitbucket) by their HTTP APIs."""
