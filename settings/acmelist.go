package settings

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"thalassa/acme"
	"thalassa/internal/safefile"
	"thalassa/lb"
)

// A dnsEntry is one zone of the setting acme-dns.
type dnsEntry struct {
	Zone        string            `yaml:"zone"                  json:"zone"`
	Server      string            `yaml:"server,omitempty"      json:"server,omitempty"`
	KeyFile     string            `yaml:"keyFile,omitempty"     json:"keyFile,omitempty"`
	Hook        string            `yaml:"hook,omitempty"        json:"hook,omitempty"`
	TokenFile   string            `yaml:"tokenFile,omitempty"   json:"tokenFile,omitempty"`
	Nameservers []string          `yaml:"nameservers,omitempty" json:"nameservers,omitempty"`
	Wait        string            `yaml:"wait,omitempty"        json:"wait,omitempty"`
	Delegated   map[string]string `yaml:"delegated,omitempty"   json:"delegated,omitempty"`
}

// An accountEntry is one of the setting acme-accounts.
type accountEntry struct {
	Directory string `yaml:"directory" json:"directory"`
	KeyID     string `yaml:"keyId"     json:"keyId"`
	KeyFile   string `yaml:"keyFile"   json:"keyFile"`
}

// A yamlList is a setting that is a list in YAML, of which JSON is a part.
type yamlList[T any] []T

const yamlListType = "list"

// Type is the name of the type.
func (l *yamlList[T]) Type() string { return yamlListType }

// String is the list as JSON; empty for no entry.
func (l *yamlList[T]) String() string {
	if len(*l) == 0 {
		return ""
	}
	data, err := json.Marshal(*l)
	if err != nil {
		panic(err) // strings
	}
	return string(data)
}

// Set replaces the list. Unknown keys are errors.
func (l *yamlList[T]) Set(text string) error {
	var list []T
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	d.KnownFields(true)
	if err := d.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("expected a list in YAML: %w", err)
	}
	*l = list
	return nil
}

// parse checks a zone. The error names the field.
func (e dnsEntry) parse() (acme.Zone, error) {
	name, err := lb.ParseDomain(e.Zone)
	if err != nil || strings.HasPrefix(name, "*.") {
		return acme.Zone{}, fmt.Errorf("zone: %q is not a domain", e.Zone)
	}
	z := acme.Zone{Name: name, Nameservers: e.Nameservers}
	switch {
	case (e.Server == "") == (e.Hook == ""):
		return z, errors.New("server, hook: expected one of them")
	case e.Server != "" && e.TokenFile != "":
		return z, errors.New("tokenFile: goes with hook")
	case e.Hook != "" && e.KeyFile != "":
		return z, errors.New("keyFile: goes with server")
	case e.Server != "":
		provider := acme.DynamicDNS{Zone: name, Server: e.Server, KeyFile: e.KeyFile}
		err = provider.Check()
		z.Provider = provider
	default:
		provider := acme.Hook{URL: e.Hook, TokenFile: e.TokenFile}
		err = provider.Check()
		z.Provider = provider
	}
	if err != nil {
		return z, err
	}
	if e.Wait != "" {
		if z.Wait, err = time.ParseDuration(e.Wait); err != nil || z.Wait < time.Second || z.Wait > 10*time.Minute {
			return z, fmt.Errorf("wait: %q is out of range, expected 1s to 10m", e.Wait)
		}
	}
	for _, server := range e.Nameservers {
		if err := (acme.DynamicDNS{Server: server}).CheckServer(); err != nil {
			return z, fmt.Errorf("nameservers: %w", err)
		}
	}
	z.Delegated, err = e.delegations(name)
	return z, err
}

// delegations maps other names to the names in this zone that answer for them. The error names the
// field.
func (e dnsEntry) delegations(zone string) (map[string]string, error) {
	out := make(map[string]string, len(e.Delegated))
	for domain, target := range e.Delegated {
		from, err := lb.ParseDomain(domain)
		if err != nil {
			return nil, fmt.Errorf("delegated: %q is not a domain", domain)
		}
		if target = strings.ToLower(strings.TrimSuffix(target, ".")); target != zone && !strings.HasSuffix(target, "."+zone) {
			return nil, fmt.Errorf("delegated: %q is not in the zone %s", target, zone)
		}
		out["_acme-challenge."+strings.TrimPrefix(from, "*.")] = target
	}
	return out, nil
}

// parse checks an account. The error names the field.
func (e accountEntry) parse() (directory string, b acme.Binding, err error) {
	a, err := lb.ACMESpec{Domains: []string{"any.example"}, Directory: e.Directory}.Parse()
	if err != nil || e.Directory == "" {
		return "", b, fmt.Errorf("directory: %q is not the address of an ACME server", e.Directory)
	}
	if e.KeyID == "" {
		return "", b, errors.New("keyId: is missing")
	}
	b = acme.Binding{KeyID: e.KeyID, Key: func() ([]byte, error) {
		data, err := safefile.Read(e.KeyFile, maxKeyFile)
		if err != nil {
			return nil, fmt.Errorf("acme-accounts: keyFile: %w", err)
		}
		key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(string(data)), "="))
		if err != nil || len(key) == 0 {
			return nil, fmt.Errorf("acme-accounts: keyFile: %s has no key in base64url", e.KeyFile)
		}
		return key, nil
	}}
	_, err = b.Key()
	return a.Directory, b, err
}
