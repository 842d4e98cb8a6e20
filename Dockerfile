# The node agent and HAProxy in one image. It ends with the agent: where HAProxy
# has to outlive it, use the systemd unit in packaging/. docs/installing.md shows
# how to run it.

# BUILDER needs Go. BASE is a Debian whose apt has HAProxy 2.6 or newer. Both are
# pinned; an upgrade changes tag and digest here.
ARG BUILDER=golang:1.26.8-bookworm@sha256:a688600ca24f8a4d3ca77f95b0dd40704a9fc787c826660eb7ba0b641b8b175d
ARG BASE=debian:bookworm-20260824-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171

FROM ${BUILDER} AS builder
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /thalassa ./cmd/thalassa

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates haproxy tini \
 && rm -rf /var/lib/apt/lists/* /etc/haproxy \
 && useradd --uid 10000 --user-group --no-create-home --home-dir /var/lib/thalassa --shell /usr/sbin/nologin thalassa \
 && install -d -o thalassa -g thalassa -m 0750 /var/lib/thalassa /run/thalassa
COPY --from=builder /thalassa /usr/bin/thalassa
COPY packaging/container.yaml /etc/thalassa/thalassa.yaml
COPY LICENSE /usr/share/doc/thalassa/LICENSE
USER thalassa
VOLUME /var/lib/thalassa
EXPOSE 10000
# Alive, not ready: a configuration that HAProxy refuses must not end the traffic.
# It asks at the address of the agent's settings: the words of process 1 behind
# "agent" are the agent's flags.
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s \
  CMD ["bash", "-c", "mapfile -d '' -t words </proc/1/cmdline; while [ \"${words[0]}\" != agent ]; do words=(\"${words[@]:1}\"); [ ${#words[@]} -gt 0 ] || exit 1; done; thalassa health \"${words[@]:1}\" || exit 1"]
# tini reaps what HAProxy leaves to the first process.
ENTRYPOINT ["tini", "--", "thalassa", "agent", "--config", "/etc/thalassa/thalassa.yaml"]
