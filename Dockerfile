# certlet as a static binary in an otherwise empty image, as deploy/image.sh makes it without docker. The trust roots are in the binary.
# Not built by CI, which has no docker: deploy/image.sh is what is tested and released.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# A target on the command line keeps the flag away from build scripts and procedural macros.
RUN target=$(rustc -vV | sed -n 's/^host: //p') && \
    RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --features jemalloc --target "$target" --bin certlet && \
    cp "target/$target/release/certlet" /certlet

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="certlet" \
      org.opencontainers.image.description="cert-manager in one small binary: issues, stores and renews X.509 certificates for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /certlet /certlet
COPY LICENSE NOTICE /licenses/
USER 65532:65532
EXPOSE 8089 9402 9403
ENTRYPOINT ["/certlet"]
CMD ["run"]
