// Command bed-lego gets a certificate as lego does: lego's own client with some of its providers, which take their settings from the
// environment. Debian's lego has fewer providers, and one with all of them takes long to build.
//
//	bed-lego DIRECTORY RESOLVER FILE PROVIDER DOMAIN...
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"log"
	"os"

	"github.com/go-acme/lego/v4/certcrypto"
	"github.com/go-acme/lego/v4/certificate"
	"github.com/go-acme/lego/v4/challenge"
	"github.com/go-acme/lego/v4/challenge/dns01"
	"github.com/go-acme/lego/v4/lego"
	"github.com/go-acme/lego/v4/providers/dns/acmedns"
	"github.com/go-acme/lego/v4/providers/dns/azuredns"
	"github.com/go-acme/lego/v4/providers/dns/cloudflare"
	"github.com/go-acme/lego/v4/providers/dns/digitalocean"
	"github.com/go-acme/lego/v4/providers/dns/edgedns"
	"github.com/go-acme/lego/v4/providers/dns/gcloud"
	"github.com/go-acme/lego/v4/providers/dns/httpreq"
	"github.com/go-acme/lego/v4/registration"
)

type account struct {
	key          crypto.PrivateKey
	registration *registration.Resource
}

func (a *account) GetEmail() string                        { return "ops@certlet-tests.net" }
func (a *account) GetRegistration() *registration.Resource { return a.registration }
func (a *account) GetPrivateKey() crypto.PrivateKey        { return a.key }

// named returns a provider with its settings from the environment.
func named(name string) (challenge.Provider, error) {
	switch name {
	case "acme-dns":
		return acmedns.NewDNSProvider()
	case "azuredns":
		return azuredns.NewDNSProvider()
	case "cloudflare":
		return cloudflare.NewDNSProvider()
	case "digitalocean":
		return digitalocean.NewDNSProvider()
	case "edgedns":
		return edgedns.NewDNSProvider()
	case "gcloud":
		return gcloud.NewDNSProvider()
	case "httpreq":
		return httpreq.NewDNSProvider()
	}
	log.Fatalf("bed-lego has no provider %s", name)
	return nil, nil
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	directory, resolver, file, name, domains := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5:]
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	user := &account{key: key}
	config := lego.NewConfig(user)
	config.CADirURL = directory
	config.Certificate.KeyType = certcrypto.EC256
	client, err := lego.NewClient(config)
	must(err)
	provider, err := named(name)
	must(err)
	must(client.Challenge.SetDNS01Provider(provider, dns01.AddRecursiveNameservers([]string{resolver})))
	user.registration, err = client.Registration.Register(registration.RegisterOptions{TermsOfServiceAgreed: true})
	must(err)
	obtained, err := client.Certificate.Obtain(certificate.ObtainRequest{Domains: domains, Bundle: true})
	must(err)
	must(os.WriteFile(file, obtained.Certificate, 0o600))
}
