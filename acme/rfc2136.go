package acme

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"

	"thalassa/internal/safefile"
)

// A DynamicDNS is a Provider that changes records by dynamic updates (RFC 2136), signed with
// a key (TSIG).
type DynamicDNS struct {
	// Zone is the name of the zone, and Server its primary name server, host:port.
	Zone, Server string
	// KeyFile has the key in one line: ALGORITHM:NAME:SECRET, e.g.
	// "hmac-sha256:thalassa:BASE64". It is read for each change.
	KeyFile string
}

// recordTTL is how long others may keep a record, in seconds.
const recordTTL = 30

// maxKeyFile bounds files with a key or a token, in bytes.
const maxKeyFile = 4 << 10

// Add implements Provider.
func (d DynamicDNS) Add(ctx context.Context, name, value string) error {
	return d.update(ctx, name, value, (*dns.Msg).Insert)
}

// Remove implements Provider.
func (d DynamicDNS) Remove(ctx context.Context, name, value string) error {
	return d.update(ctx, name, value, (*dns.Msg).Remove)
}

func (d DynamicDNS) update(ctx context.Context, name, value string, change func(*dns.Msg, []dns.RR)) error {
	algorithm, keyName, secret, err := readTSIG(d.KeyFile)
	if err != nil {
		return err
	}
	msg := new(dns.Msg)
	msg.SetUpdate(dns.Fqdn(d.Zone))
	change(msg, []dns.RR{&dns.TXT{
		Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: recordTTL}, Txt: []string{value},
	}})
	const fudge = 300 // seconds that the clocks may differ
	msg.SetTsig(keyName, algorithm, fudge, time.Now().Unix())
	client := &dns.Client{Net: "tcp", Timeout: 10 * time.Second, TsigSecret: map[string]string{keyName: secret}}
	answer, _, err := client.ExchangeContext(ctx, msg, d.Server)
	switch {
	case err != nil:
		return fmt.Errorf("updating the zone %s at %s: %w", d.Zone, d.Server, err)
	case answer.IsTsig() == nil:
		return fmt.Errorf("updating the zone %s: the answer of %s is not signed (%s)", d.Zone, d.Server, dns.RcodeToString[answer.Rcode])
	case answer.Rcode != dns.RcodeSuccess:
		return fmt.Errorf("updating the zone %s: %s refuses with %s", d.Zone, d.Server, dns.RcodeToString[answer.Rcode])
	}
	return nil
}

// Check refuses settings that can never work. The error names the field.
func (d DynamicDNS) Check() error {
	if err := d.CheckServer(); err != nil {
		return fmt.Errorf("server: %w", err)
	}
	_, _, _, err := readTSIG(d.KeyFile)
	return err
}

// CheckServer refuses a Server that is no address.
func (d DynamicDNS) CheckServer() error {
	if host, port, err := net.SplitHostPort(d.Server); err != nil || host == "" || port == "" {
		return fmt.Errorf("%q is not an address, expected host:port", d.Server)
	}
	return nil
}

// readTSIG reads a key. No error has a part of the secret.
func readTSIG(path string) (algorithm, name, secret string, err error) {
	data, err := safefile.Read(path, maxKeyFile)
	if err != nil {
		return "", "", "", fmt.Errorf("keyFile: %w", err)
	}
	parts := strings.SplitN(strings.TrimSpace(string(data)), ":", 3)
	if len(parts) != 3 {
		return "", "", "", fmt.Errorf("keyFile: %s is not ALGORITHM:NAME:SECRET", path)
	}
	switch algorithm = dns.Fqdn(strings.ToLower(parts[0])); algorithm {
	case dns.HmacSHA256, dns.HmacSHA384, dns.HmacSHA512:
	default:
		return "", "", "", fmt.Errorf("keyFile: the algorithm in %s is not known, expected hmac-sha256, hmac-sha384 or hmac-sha512", path)
	}
	if _, ok := dns.IsDomainName(parts[1]); !ok || parts[1] == "" {
		return "", "", "", fmt.Errorf("keyFile: %s has no name of the key", path)
	}
	if raw, err := base64.StdEncoding.DecodeString(parts[2]); err != nil || len(raw) < 16 {
		return "", "", "", errors.New("keyFile: " + path + " has no secret of 16 bytes or more in base64")
	}
	return algorithm, strings.ToLower(dns.Fqdn(parts[1])), parts[2], nil
}
