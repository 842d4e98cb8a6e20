package haproxy

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"time"

	"thalassa/lb"
)

// A Handshake is an address with TLS, and a server name that clients may ask for there.
type Handshake struct {
	Bind       lb.Bind
	ServerName string
	// Expected are the SHA-256 digests of the certificates that clients may get, in
	// hexadecimal.
	Expected []string
	// AcceptProxy are the sources whose connections begin with a header of the PROXY protocol.
	AcceptProxy []netip.Prefix
}

// handshakeTime bounds the time until all clients get their certificates. A wrong one may
// come from an old worker that still accepts connections, so it is not final before.
const handshakeTime = time.Second

// errOtherCertificate says that a client gets a certificate that it should not get.
var errOtherCertificate = errors.New("clients get another certificate")

// TryHandshakes returns an error unless clients get one of the expected certificates at each
// address. An address that cannot be tried, such as one that this machine does not have, counts as
// correct.
func (*Certificates) TryHandshakes(ctx context.Context, all []Handshake) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	for _, h := range all {
		last := h.try(ctx)
		err := poll(ctx, func() (bool, error) {
			if errors.Is(last, errOtherCertificate) {
				last = h.try(ctx)
			}
			return !errors.Is(last, errOtherCertificate), nil
		})
		if err != nil && errors.Is(last, errOtherCertificate) {
			return &CertificatesError{fmt.Sprintf("at %s: %v", h.Bind, last)}
		}
	}
	return nil
}

// try returns errOtherCertificate when a client certainly gets another certificate.
func (h Handshake) try(ctx context.Context) error {
	var got string
	err := h.shake(ctx, &tls.Config{
		ServerName: h.ServerName,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			sum := sha256.Sum256(raw[0])
			got = hex.EncodeToString(sum[:])
			return nil
		},
	}) // fails where clients need a certificate, and shows one all the same
	if got != "" && !slices.Contains(h.Expected, got) {
		return fmt.Errorf("%w for %s: SHA-256 %s", errOtherCertificate, h.ServerName, got)
	}
	return err
}

// shake connects and tries a handshake, in which no certificate is verified.
func (h Handshake) shake(ctx context.Context, config *tls.Config) error {
	host := netip.IPv4Unspecified()
	if h.Bind.Host != "" {
		var err error
		if host, err = netip.ParseAddr(string(h.Bind.Host)); err != nil {
			return err // a name
		}
	}
	if host = reachable(host); !isHere(host) {
		return errors.New("this machine does not have the address")
	}
	dialer := net.Dialer{Timeout: handshakeTime / 2}
	conn, err := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(host, h.Bind.Port).String())
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := h.proxyHeader(conn); err != nil {
		return err
	}
	config.InsecureSkipVerify = true //nolint:gosec // the certificate is compared with what is stored
	return tls.Client(conn, config).HandshakeContext(ctx)
}

// proxyHeader sends a header of the PROXY protocol where the address expects one of us.
func (h Handshake) proxyHeader(conn net.Conn) error {
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return nil //nolint:nilerr // it is no source then
	}
	if !slices.ContainsFunc(h.AcceptProxy, func(p netip.Prefix) bool { return p.Contains(local.Addr().Unmap()) }) {
		return nil
	}
	_, err = io.WriteString(conn, "PROXY UNKNOWN\r\n")
	return err
}
