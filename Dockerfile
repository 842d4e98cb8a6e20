# The node agent and HAProxy in one image. It ends with the agent: where HAProxy
# has to outlive it, use the systemd unit in packaging/.
#
#   docker run --volume thalassa:/var/lib/thalassa --volume ./tokens:/etc/thalassa/tokens:ro \
#     --publish 80:80 --publish 10000:10000 thalassa \
#     --host 0.0.0.0 --token-file /etc/thalassa/tokens --service-reg consul.example

FROM golang:1.26-bookworm AS builder
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /thalassa ./cmd/thalassa

FROM debian:bookworm-slim
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
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/10000 && printf 'GET /healthz HTTP/1.0\\r\\nHost: 127.0.0.1\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
# tini reaps what HAProxy leaves to the first process.
ENTRYPOINT ["tini", "--", "thalassa", "agent", "--config", "/etc/thalassa/thalassa.yaml"]
