# The gateway as an image: docker build -t prism .
#
# It runs as user 65532, writes nowhere but in /var/lib/prism (the embedded database), and asks itself whether it serves.
# Needs no BuildKit. The base images are arguments, for a mirror or a stand-in.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /build
# release, or dev for a quick build.
ARG PROFILE=release
# Dependencies first, from the manifests alone: a change of the source does not build them again. Each crate is empty until
# then, and what a manifest says of files that are not there yet is left out.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY proto/Cargo.toml proto/
COPY contract/Cargo.toml contract/
COPY wire/Cargo.toml wire/
COPY conformance/Cargo.toml conformance/
COPY backends/Cargo.toml backends/
COPY proxy/Cargo.toml proxy/
COPY testkit/Cargo.toml testkit/
COPY bench/Cargo.toml bench/
COPY xtask/Cargo.toml xtask/
COPY examples/own-backend/Cargo.toml examples/own-backend/
RUN for crate in */Cargo.toml examples/*/Cargo.toml; do \
      sed -i '/^\[\[/,/^$/d; /^default-run/d' "$crate" && mkdir "${crate%/*}/src" && : > "${crate%/*}/src/lib.rs" || exit 1; \
    done \
 && cargo build --locked --profile "$PROFILE" -p prism-proxy
COPY . .
# cargo goes by time, and the source may be older than the empty crates.
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
 && cargo build --locked --profile "$PROFILE" -p prism-proxy --bin prism \
 && mkdir -p /image/usr/local/bin /image/var/lib/prism /image/etc/ssl/certs \
 && cp target/*/prism /image/usr/local/bin/prism \
 && strip /image/usr/local/bin/prism \
 # For a database or a server whose certificate a public authority signed.
 && cp -L /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="prism" \
      org.opencontainers.image.description="A gRPC data gateway in front of SQLite and Postgres" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/etc /etc
COPY --from=build /image/usr /usr
COPY --from=build --chown=65532:65532 /image/var/lib/prism /var/lib/prism
# Loopback in a container is nobody else's. Beyond it the gateway needs auth.tokens, or PRISM_AUTH_MODE=insecure from
# whoever runs it; the image does not say so itself, since tokens would then not count.
ENV PRISM_SERVER_LISTEN=0.0.0.0:8980
USER 65532:65532
# The embedded database is ./prism.db.
WORKDIR /var/lib/prism
VOLUME /var/lib/prism
EXPOSE 8980
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=6s --start-period=30s CMD ["prism", "health"]
ENTRYPOINT ["prism"]
CMD ["serve"]
