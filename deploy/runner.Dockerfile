# A sandbox runner: no keys, no database, no network. Build it from the project's root:
#   docker build -f deploy/runner.Dockerfile -t understudy-runner .
FROM python:3.12-slim-bookworm

COPY requirements.lock pyproject.toml README.md LICENSE /src/
COPY src /src/src
# The runner needs nothing but the standard library; the lock is for the command line around it.
RUN pip install --no-cache-dir -r /src/requirements.lock /src \
    && understudy sandbox install /opt/kernels --size full \
    && rm -rf /src \
    && groupadd --gid 1501 understudy-door \
    && useradd --uid 1500 --gid 1501 --no-create-home runner \
    && install -d -o 1500 -g 1501 -m 0750 /run/understudy

USER 1500:1501
ENTRYPOINT ["understudy", "sandbox", "serve", "--environment", "/opt/kernels"]
