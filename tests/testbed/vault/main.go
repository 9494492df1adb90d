// bed-vault is the AWS auth method of HashiCorp Vault as a plugin of OpenBao, which has none of its own. Vault itself cannot be built
// from its module: that has a module in its tree of which the version that it needs was never released.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/hashicorp/vault/api"
	awsauth "github.com/hashicorp/vault/builtin/credential/aws"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/plugin"
	"github.com/hashicorp/vault/sdk/rotation"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bed-vault:", err)
		os.Exit(1)
	}
}

func run() error {
	meta := &api.PluginAPIClientMeta{}
	if err := meta.FlagSet().Parse(os.Args[1:]); err != nil {
		return err
	}
	return plugin.ServeMultiplex(&plugin.ServeOpts{
		BackendFactoryFunc: func(ctx context.Context, config *logical.BackendConfig) (logical.Backend, error) {
			config.System = withoutRotation{config.System}
			return awsauth.Factory(ctx, config)
		},
		TLSProviderFunc: api.VaultPluginTLSProvider(meta.GetTLSConfig()),
	})
}

// withoutRotation is a system that has no rotation of credentials, as that of OpenBao: there is nothing to end.
type withoutRotation struct{ logical.SystemView }

func (withoutRotation) DeregisterRotationJob(context.Context, *rotation.RotationJobDeregisterRequest) error {
	return nil
}
