# nats-server with its configuration, for nats.toml.
FROM nats:2.15-alpine
COPY nats.conf nats-one.conf nats-common.conf /etc/nats/
COPY start-nats /usr/local/bin/start-nats
ENTRYPOINT ["/usr/local/bin/start-nats"]
CMD []
