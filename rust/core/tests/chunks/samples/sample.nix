# How the shop is built, run and tested.
{
  description = "Orders of a shop";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.05";
    flake-utils.url = "github:numtide/flake-utils";
  };

  outputs = { self, nixpkgs, flake-utils }:
    let
      version = "1.2.3";

      # Those that somebody uses.
      systems = [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ];

      overlay = final: prev: {
        shop = final.rustPlatform.buildRustPackage {
          pname = "shop";
          inherit version;
          src = ./.;
          cargoLock.lockFile = ./Cargo.lock;
          nativeBuildInputs = with final; [ pkg-config cmake ];
          buildInputs = with final; [ openssl sqlite zstd ];
          checkFlags = [ "--skip=network" "--skip=slow" ];
          postInstall = ''
            install -Dm644 man/shop.1 $out/share/man/man1/shop.1
            install -Dm644 completions/shop.bash $out/share/bash-completion/completions/shop
          '';
          meta = with final.lib; {
            description = "Orders of a shop";
            license = licenses.mit;
            mainProgram = "shop";
          };
        };
      };
    in
    flake-utils.lib.eachSystem systems (system:
      let
        pkgs = import nixpkgs { inherit system; overlays = [ overlay ]; };
      in
      {
        packages.default = pkgs.shop;

        # What somebody who works on it needs.
        devShells.default = pkgs.mkShell {
          inputsFrom = [ pkgs.shop ];
          packages = with pkgs; [
            cargo-nextest
            clippy
            nixpkgs-fmt
            postgresql
            python3
            ruff
            rust-analyzer
            rustfmt
          ];
          shellHook = ''
            export PGDATA=$PWD/.postgres
            export SHOP_DATABASE=postgres://localhost/shop
          '';
        };

        checks = {
          format = pkgs.runCommand "format" { nativeBuildInputs = [ pkgs.nixpkgs-fmt ]; } ''
            nixpkgs-fmt --check ${./.}
            touch $out
          '';
        };
      }
    ) // {
      nixosModules.default = { config, lib, pkgs, ... }:
        let
          cfg = config.services.shop;
        in
        {
          options.services.shop = {
            enable = lib.mkEnableOption "the shop";

            port = lib.mkOption {
              type = lib.types.port;
              default = 8080;
              description = "Where it listens.";
            };
          };

          config = lib.mkIf cfg.enable {
            systemd.services.shop = {
              description = "Orders of a shop";
              wantedBy = [ "multi-user.target" ];
              after = [ "network.target" "postgresql.service" ];
              serviceConfig = {
                ExecStart = "${pkgs.shop}/bin/shop serve --port ${toString cfg.port}";
                DynamicUser = true;
                Restart = "on-failure";
                StateDirectory = "shop";
                ProtectSystem = "strict";
                ProtectHome = true;
                PrivateTmp = true;
                NoNewPrivileges = true;
              };
            };
          };
        };
    };
}
