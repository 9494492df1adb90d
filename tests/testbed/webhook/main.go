// Command bed-webhook is a DNS-01 webhook as its authors build one: cert-manager's own library around its rfc2136 solver.
package main

import (
	"os"

	"github.com/cert-manager/cert-manager/pkg/acme/webhook/cmd"
	"github.com/cert-manager/cert-manager/pkg/issuer/acme/dns/rfc2136"
)

func main() {
	cmd.RunWebhookServer(os.Getenv("GROUP_NAME"), rfc2136.New())
}
