# syntax=docker/dockerfile:1
ARG RUST_VERSION=1.91

# Builds the program.
FROM rust:${RUST_VERSION}-slim AS builder
WORKDIR /src
RUN apt-get update && apt-get install -y --no-install-recommends \
        clang \
        cmake \
        pkg-config \
    && rm -rf /var/lib/apt/lists/*
COPY Cargo.toml Cargo.lock ./
COPY crates crates
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked \
    && cp target/release/shop /usr/local/bin/shop

FROM node:22-alpine AS web
WORKDIR /web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit
COPY web .
RUN npm run build

# Everything that somebody who works on the shop needs, in the versions that CI has.
FROM builder AS dev
ENV RUST_BACKTRACE=1 \
    CARGO_TERM_COLOR=always \
    CARGO_INCREMENTAL=1 \
    SHOP_DATABASE=postgres://shop@database/shop \
    SHOP_PORT=8080 \
    SHOP_LOG=debug,hyper=info,sqlx=warn
RUN rustup component add clippy rustfmt rust-analyzer rust-src llvm-tools
RUN cargo install --locked cargo-nextest cargo-watch cargo-deny cargo-llvm-cov sqlx-cli
RUN apt-get update && apt-get install -y --no-install-recommends \
        postgresql-client \
        python3 \
        python3-venv \
        python3-pip \
        ripgrep \
        fd-find \
        jq \
        less \
        git \
        openssh-client \
        curl \
        ca-certificates \
        gdb \
        valgrind \
        linux-perf \
        strace \
        hyperfine \
        graphviz \
        shellcheck \
        sqlite3 \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/tools \
    && /opt/tools/bin/pip install --no-cache-dir \
        ruff==0.8.0 \
        mypy==1.13.0 \
        pytest==8.3.3 \
        pytest-xdist==3.6.1 \
        hypothesis==6.119.0 \
        maturin==1.7.4
# Names of countries, for the tests.
RUN mkdir -p /usr/share/countries \
    && echo 'Austria' > /usr/share/countries/at \
    && echo 'Belgium' > /usr/share/countries/be \
    && echo 'Bulgaria' > /usr/share/countries/bg \
    && echo 'Croatia' > /usr/share/countries/hr \
    && echo 'Cyprus' > /usr/share/countries/cy \
    && echo 'Czechia' > /usr/share/countries/cz \
    && echo 'Denmark' > /usr/share/countries/dk \
    && echo 'Estonia' > /usr/share/countries/ee \
    && echo 'Finland' > /usr/share/countries/fi \
    && echo 'France' > /usr/share/countries/fr \
    && echo 'Germany' > /usr/share/countries/de \
    && echo 'Greece' > /usr/share/countries/gr \
    && echo 'Hungary' > /usr/share/countries/hu \
    && echo 'Iceland' > /usr/share/countries/is \
    && echo 'Ireland' > /usr/share/countries/ie \
    && echo 'Italy' > /usr/share/countries/it \
    && chmod -R a+r /usr/share/countries
RUN useradd --create-home --uid 1000 --shell /bin/bash developer \
    && mkdir -p /home/developer/.cache /home/developer/.config/shop \
    && chown -R developer:developer /home/developer /src \
    && echo 'export PATH=/opt/tools/bin:$PATH' >> /home/developer/.bashrc \
    && echo 'alias t="cargo nextest run --workspace"' >> /home/developer/.bashrc
USER developer
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
VOLUME ["/src/target", "/home/developer/.cache"]
CMD ["cargo", "watch", "-x", "run -- serve --reload --templates crates/web/templates"]

FROM debian:bookworm-slim
LABEL org.opencontainers.image.source="https://example.com/shop"
COPY --from=builder /usr/local/bin/shop /usr/local/bin/shop
COPY --from=web /web/dist /srv/shop
EXPOSE 8080
HEALTHCHECK --interval=30s CMD ["shop", "health"]
ENTRYPOINT ["shop"]
CMD ["serve", "--port", "8080"]
