package acme_test

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"thalassa/acme"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// fill takes what is left of a disk.
func fill(tb testing.TB, dir string) {
	tb.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		if !errors.Is(err, syscall.ENOSPC) {
			tb.Error(err)
		}
		return
	}
	defer f.Close()
	for _, size := range []int{64 << 10, 4 << 10, 1} {
		for block := make([]byte, size); ; {
			if _, err := f.Write(block); err != nil {
				break
			}
		}
	}
}

// The disk is full at one step after the other. The former certificate serves, nothing is
// lost, and there is one order.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for name, isShared := range map[string]bool{"alone": false, "together": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
				testkit.Missing(t, "mounting a small file system: "+err.Error())
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
					t.Error(err)
				}
			})
			p := testkit.StartPebble(t, testkit.PebbleConfig{Answers: true})
			var mu sync.Mutex
			left := []string{}
			adapt := func(c *acme.Config) {
				c.BeforeStep = func(step string) {
					mu.Lock()
					defer mu.Unlock()
					if len(left) > 0 && left[0] == step {
						left = left[1:]
						fill(t, dir)
					}
				}
			}
			var n *node
			if isShared {
				server := testkit.Consul(t)
				n = together(t, dir, p, sharing(t, server.Address(), clusterKey(t, clusterSecret), "a"), adapt)
			} else {
				n = startNode(t, dir, p, adapt)
			}
			a := n.order(p, "shop.example")
			first := n.awaitIssued(a)
			mu.Lock()
			left = killedSteps()[1:] // there is an account
			mu.Unlock()
			for tries := 0; n.leaf(a).Equal(first); tries++ {
				if tries > 30 {
					t.Fatalf("not renewed: %+v", n.Status(a))
				}
				must(t, n.Renew(lb.Certificate{Key: "shop", ACME: &a}))
				s := n.await(a, "settled", func(s lb.OrderStatus) bool { return s.State != lb.OrderUnderWay })
				t.Logf("%+v", s)
				mu.Lock()
				if err := os.Remove(filepath.Join(dir, "filler")); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Error(err)
				}
				mu.Unlock()
			}
			n.awaitIssued(a)
			verify(t, p, n, a)
			if p.Orders() != 2 || p.Finalized() != 2 {
				t.Errorf("%d orders, %d requests for certificates", p.Orders(), p.Finalized())
			}
			leaf := n.leaf(a)
			n.stop()
			again := startNode(t, dir, p, nil)
			if !again.leaf(a).Equal(leaf) {
				t.Error("after a restart another certificate serves")
			}
		})
	}
}

// keyOf is the key in a text in PEM.
func keyOf(tb testing.TB, text string) crypto.Signer {
	tb.Helper()
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			must(tb, err)
			signer, ok := key.(crypto.Signer)
			if !ok {
				tb.Fatalf("%T", key)
			}
			return signer
		}
	}
	tb.Fatal("no key")
	return nil
}

func decodeJSON(tb testing.TB, doc []byte, into any) {
	tb.Helper()
	must(tb, json.Unmarshal(doc, into))
}
