# Build the binary, then put it alone into a small image that runs as nobody.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
# Dependencies first, behind empty sources: this layer is rebuilt only when they change.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY tests/fakes/Cargo.toml tests/fakes/
COPY loadtest/Cargo.toml loadtest/
COPY version version
RUN mkdir -p src tests/it tests/fakes/src loadtest/src \
    && touch src/lib.rs tests/it/main.rs tests/fakes/src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cp src/main.rs tests/fakes/src/ && cp src/main.rs loadtest/src/ \
    && cargo build --locked --profile dist --no-default-features
COPY templates templates
COPY src src
# For `azdo-gateway --version`: docker build --build-arg SOURCE_COMMIT="$(git rev-parse HEAD)" .
ARG SOURCE_COMMIT
RUN touch src/lib.rs src/main.rs \
    && cargo build --locked --profile dist --no-default-features

FROM debian:bookworm-slim
# Certificates of the authorities that Azure DevOps and CI systems are checked against; the base
# image decides their version.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --mode=0700 --owner=10001 --group=10001 /var/lib/azdo-gateway
COPY --from=build /build/target/dist/azdo-gateway /usr/local/bin/azdo-gateway
# Numeric, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/azdo-gateway
VOLUME /var/lib/azdo-gateway
ENV AZDO_GATEWAY_CONFIG=/etc/azdo-gateway/gateway.toml
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["azdo-gateway", "healthcheck"]
ENTRYPOINT ["azdo-gateway"]
CMD ["serve"]
