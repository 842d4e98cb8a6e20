package bootstrap

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"
)

const (
	// handshakeWithin bounds the time until a connection has said who it is.
	handshakeWithin = 10 * time.Second
	maxHello        = 4 << 10
	maxMessage      = 256 << 10
)

// Types of messages. A node that joins sends join, ready as an answer, steps, and member or failed. A member that comes
// for a new corosync.conf sends sync. Both then store each conf that was made of theirs, and say stored;
// to version, they answer with the version that corosync has in effect and the sum of their file.
const (
	msgJoin    = "join"
	msgSync    = "sync"
	msgConf    = "conf"
	msgStored  = "stored"
	msgVersion = "version"
	msgReady   = "ready"
	msgStep    = "step"
	msgAlive   = "alive"
	msgMember  = "member"
	msgFailed  = "failed"
	msgRefused = "refused"
	msgDone    = "done"
	msgEnd     = "end"
)

// A message is one line of JSON.
type message struct {
	Type      string   `json:"type"`
	Secret    []byte   `json:"secret,omitempty"`
	Proof     []byte   `json:"proof,omitempty"`
	ID        string   `json:"id,omitempty"`
	Node      string   `json:"node,omitempty"`
	Addresses []string `json:"addresses,omitempty"`
	Conf      []byte   `json:"conf,omitempty"`
	Sum       []byte   `json:"sum,omitempty"` // of the corosync.conf that conf replaces, or that a member has
	Key       []byte   `json:"key,omitempty"`
	Version   uint64   `json:"version,omitempty"`
	More      int      `json:"more,omitempty"` // nodes that are still to join
	Text      string   `json:"text,omitempty"`
	State     string   `json:"state,omitempty"`
}

// A link is a connection to another node. Its methods may be called concurrently, but only one
// goroutine may receive.
type link struct {
	conn *tls.Conn
	in   *bufio.Reader

	mu sync.Mutex
}

func newLink(conn *tls.Conn) *link { return &link{conn: conn, in: bufio.NewReaderSize(conn, 4<<10)} }

func (l *link) send(m message) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.conn.SetWriteDeadline(time.Now().Add(handshakeWithin)) // a closed connection fails below
	_, err = l.conn.Write(append(line, '\n'))
	return err
}

// receive reads the next message of at most limit bytes, within a time.
func (l *link) receive(limit int, within time.Duration) (message, error) {
	_ = l.conn.SetReadDeadline(time.Now().Add(within)) // a closed connection fails below
	var line []byte
	for {
		part, err := l.in.ReadSlice('\n')
		if line = append(line, part...); len(line) > limit {
			return message{}, fmt.Errorf("a message has more than %d bytes", limit)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return message{}, err
		}
	}
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return message{}, fmt.Errorf("reading a message: %w", err)
	}
	return m, nil
}

// staysAlive says that this side is there, several times within the silence that the other one
// bears, until stop is called or the connection ends.
func (l *link) staysAlive(ctx context.Context, silence time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(silence / 6)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if l.send(message{Type: msgAlive}) != nil {
					return
				}
			}
		}
	}()
	return func() { cancel(); <-done }
}

// proof shows that one knows the cluster's key, for this connection and one of its sides alone.
func (l *link) proof(key []byte, side string) ([]byte, error) {
	state := l.conn.ConnectionState()
	bound, err := state.ExportKeyingMaterial("EXPORTER-thalassa-cluster-sync", nil, sha256.Size)
	if err != nil {
		return nil, err
	}
	derived := hmac.New(sha256.New, key)
	derived.Write([]byte("thalassa cluster sync"))
	mac := hmac.New(sha256.New, derived.Sum(nil))
	mac.Write([]byte(side))
	mac.Write(bound)
	return mac.Sum(nil), nil
}

// Sides of a connection between members.
const (
	sideMember = "member"
	sideServer = "server"
)

// newCertificate makes a certificate and key for one invitation.
func newCertificate(now, until time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial := make([]byte, 16)
	_, _ = rand.Read(serial) // never fails
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: "thalassa cluster invite"},
		NotBefore: now.Add(-time.Hour), NotAfter: until.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func digest(der []byte) [digestBytes]byte {
	sum := sha256.Sum256(der)
	return [digestBytes]byte(sum[:digestBytes])
}

// connect opens a link to an invitation. With a digest, it must have that certificate; without one,
// the caller must demand a proof.
func (c Config) connect(ctx context.Context, address string, want *[digestBytes]byte) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*handshakeWithin)
	defer cancel()
	raw, err := c.Dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, //nolint:gosec // the digest of the certificate is checked, or a proof demanded
		VerifyConnection: func(s tls.ConnectionState) error {
			if want == nil {
				return nil
			}
			if len(s.PeerCertificates) != 1 {
				return errors.New("expected one certificate")
			}
			got := digest(s.PeerCertificates[0].Raw)
			if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
				return errOtherInvitation
			}
			return nil
		},
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return newLink(conn), nil
}
