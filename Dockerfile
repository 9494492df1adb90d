# certlet as a static binary in an otherwise empty image. The trust roots are in the binary.
FROM rust:1-alpine AS build
RUN apk add --no-cache build-base cmake perl linux-headers
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin certlet

FROM scratch
COPY --from=build /src/target/release/certlet /certlet
USER 65532:65532
EXPOSE 8089 9402
ENTRYPOINT ["/certlet"]
CMD ["run"]
