package cli

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	neturl "net/url"
	"os"
	"strings"

	"thalassa/auth"
	"thalassa/client"
)

// client of the agent that the flags name.
func (r *remote) client(ctx context.Context) (*client.Client, error) {
	if r.output != "" && r.output != "json" && r.output != "table" {
		return nil, usageError{fmt.Errorf("--output: %q is not known, expected json or table", r.output)}
	}
	cfg, err := r.target(ctx)
	if err != nil {
		return nil, usageError{err}
	}
	c, err := client.New(cfg)
	if err != nil {
		return nil, usageError{err}
	}
	if r.draft != "" {
		c = client.InDraft(c, r.draft)
	}
	return c, nil
}

// target is which agent to talk to, as whom, and how to know it. In this order: what the
// flags say, the environment, the current context, the agent of this node.
func (r *remote) target(ctx context.Context) (client.Config, error) {
	contexts, err := r.env.readContexts()
	if err != nil {
		return client.Config{}, err
	}
	address := r.address
	if address == "" {
		address = r.env.Getenv("THALASSA_AGENT")
	}
	known, found := contexts.find(address)
	switch {
	case found:
		address = known.URL
	case address == "":
		address = client.DefaultAddress
	}
	cfg := client.Config{Address: address}
	if known.Pin != "" {
		cfg.Pins = []string{known.Pin}
	}
	url := strings.TrimSuffix(address, "/")
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	if cfg.RootCAs, err = r.roots(known.Pin, url); err != nil {
		return client.Config{}, err
	}
	if cfg.Token, err = r.token(known.Token, url); err != nil {
		return client.Config{}, fmt.Errorf("reading the token: %w", err)
	}
	if plain, ok := strings.CutPrefix(url, "http://"); ok && cfg.Token != "" && isLoopback(url) && client.MovesToTLS(ctx, url) {
		cfg.Address = "https://" + plain
	}
	return cfg, nil
}

// roots are the CAs of the agent's certificate; nil: those of the system.
func (r *remote) roots(pin, address string) (*x509.CertPool, error) {
	file := r.caFile
	if file == "" {
		file = r.env.Getenv("THALASSA_CA_FILE")
	}
	own := file == "" && pin == "" && isLoopback(address)
	if own {
		file = r.env.Certificate
	}
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	switch {
	case own && err != nil:
		return nil, nil //nolint:nilerr // not for this user, or there is none
	case err != nil:
		return nil, fmt.Errorf("reading the CAs: %w", err)
	}
	pool := x509.NewCertPool()
	if own {
		if system, err := x509.SystemCertPool(); err == nil { // else the agent's own alone
			pool = system
		}
	}
	if !pool.AppendCertsFromPEM(data) && !own {
		return nil, fmt.Errorf("--ca-file: %s has no certificate in PEM form", file)
	}
	return pool, nil
}

// token to show to the agent; empty: none. known is that of the context.
func (r *remote) token(known, address string) (string, error) {
	if r.tokenFile == "" {
		if token := r.env.Getenv("THALASSA_TOKEN"); token != "" {
			return token, nil
		}
		if known != "" {
			return known, nil
		}
		return r.nodeToken(address), nil
	}
	return tokenOf(r.tokenFile)
}

// tokenOf reads the token that a file holds alone.
func tokenOf(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	words := strings.Fields(string(data))
	if len(words) != 1 {
		return "", fmt.Errorf("%s holds %d words, expected the token alone", file, len(words))
	}
	return words[0], nil
}

// nodeToken is a token of the installed agent of this node, where the caller may read
// its token file; empty: there is none for this agent. It is shown to no other node.
func (r *remote) nodeToken(address string) string {
	if r.env.TokenFile == "" || !isLoopback(address) {
		return ""
	}
	token, err := auth.PlainToken(r.env.TokenFile)
	if err != nil {
		return "" // not for this user, or there is none: the agent says whether it takes one
	}
	return token
}

// isLoopback reports whether a URL is on this node.
func isLoopback(address string) bool {
	u, err := neturl.Parse(address)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && a.Unmap().IsLoopback()
}
