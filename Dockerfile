# The action's image. It runs as root and sets no WORKDIR: the workspace belongs to the runner, which sets both.
#
#   docker build .                                              compiles the program
#   docker build --build-arg BINARY=local -f Dockerfile FOLDER  takes `ml-deploy` and `uv` from FOLDER instead
#   --build-arg BASE=debian:bookworm-slim                       stands on what has that name here, not on the pinned base
#
# Only the stages that are needed are built; the runtime stage is the same either way. A release publishes the result, and
# `action.yml` on a tag names it by digest. Dependabot renews the digests, so each stands in a FROM of its own.
ARG BINARY=build
ARG BASE=base

FROM ghcr.io/astral-sh/uv:0.11.7@sha256:240fb85ab0f263ef12f492d8476aa3a2e4e1e333f7d67fbdd923d00a506a516a AS uv

FROM rust:1.95-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS compile
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
# Dependencies first: they change less often than the sources.
RUN mkdir src && echo 'fn main() {}' >src/main.rs && cargo build --release --locked --bin ml-deploy && rm -r src
COPY src src
RUN touch src/main.rs && cargo build --release --locked --bin ml-deploy

FROM scratch AS build
COPY --from=uv /uv /uv
COPY --from=compile /src/target/release/ml-deploy /ml-deploy

FROM scratch AS local
COPY uv ml-deploy /

FROM ${BINARY} AS binary

FROM debian:bookworm-slim@sha256:88200866dfff7ea7f5cbcb6ec7c8a701889efe6fe859fe64d6990e4b07ea4171 AS base

FROM ${BASE} AS runtime
# git for commits and requirements from repositories; libgomp for wheels that do not bring it; Python for the usual case, uv for
# every other version.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates git libgomp1 python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf /var/log/apt /var/log/dpkg.log /usr/share/doc /usr/share/man /usr/share/locale
COPY --from=binary /uv /usr/local/bin/uv
COPY --from=binary /ml-deploy /usr/local/bin/ml-deploy
# The second name is the step's `post-entrypoint`.
RUN ln -s ml-deploy /usr/local/bin/ml-deploy-post && ml-deploy --version && uv --version
LABEL org.opencontainers.image.title="ml-deploy" \
      org.opencontainers.image.description="Trains, builds, pushes, deploys and verifies a machine-learning model in one step" \
      org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["/usr/local/bin/ml-deploy", "run"]
