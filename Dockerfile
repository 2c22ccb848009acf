# Image of the gateway: docker build -t prism .
#
# It runs as user 65532, writes only to /var/lib/prism (the embedded database), and has a health check. BuildKit is not
# required. The base images are arguments, for a mirror or a stand-in.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /build
# release, or dev for a faster build.
ARG PROFILE=release
# Dependencies first, from the manifests and empty crates, so that source changes do not rebuild them. Manifest sections that
# refer to missing files are removed.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY proto/Cargo.toml proto/
COPY contract/Cargo.toml contract/
COPY wire/Cargo.toml wire/
COPY cli/Cargo.toml cli/
COPY conformance/Cargo.toml conformance/
COPY backends/Cargo.toml backends/
COPY proxy/Cargo.toml proxy/
COPY testkit/Cargo.toml testkit/
COPY bench/Cargo.toml bench/
COPY xtask/Cargo.toml xtask/
COPY version/Cargo.toml version/
COPY mutants/Cargo.toml mutants/
COPY examples/own-backend/Cargo.toml examples/own-backend/
RUN for crate in */Cargo.toml examples/*/Cargo.toml; do \
      sed -i '/^\[\[/,/^$/d; /^default-run/d' "$crate" && mkdir "${crate%/*}/src" && : > "${crate%/*}/src/lib.rs" || exit 1; \
    done \
 && cargo build --locked --profile "$PROFILE" -p prism-proxy
COPY . .
# The commit for `prism --version`, since git is not in the image: "$(git log -1 --format='%H %cs')".
ARG PRISM_COMMIT=
# Update the timestamps: cargo compares them, and the source may be older than the empty crates.
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
 && cargo build --locked --profile "$PROFILE" -p prism-proxy --bin prism \
 && mkdir -p /image/usr/local/bin /image/var/lib/prism /image/etc/ssl/certs \
 && cp target/*/prism /image/usr/local/bin/prism \
 && strip /image/usr/local/bin/prism \
 # For databases and servers with certificates from public authorities.
 && cp -L /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="prism" \
      org.opencontainers.image.description="A gRPC data gateway in front of SQLite and Postgres" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/etc /etc
COPY --from=build /image/usr /usr
COPY --from=build --chown=65532:65532 /image/var/lib/prism /var/lib/prism
# Loopback is unreachable from outside the container. On other addresses the gateway requires auth.tokens, or
# PRISM_AUTH_MODE=insecure at run time; the image does not set it, since it would disable tokens.
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
