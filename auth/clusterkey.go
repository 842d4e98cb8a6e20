package auth

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// A ClusterKey encrypts and authenticates what the agents of a cluster tell each other about
// sessions: nobody else can read or forge it. All methods may be called concurrently.
type ClusterKey struct{ aead cipher.AEAD }

const (
	minClusterKey = 32 // bytes
	// leastVariety is how many different bytes a key has at least. 32 random bytes have
	// 30 or so, and base64 of them 25; a key of zeros has one.
	leastVariety = 12
)

// ReadClusterKey reads the file of a key: at least 32 random bytes, which other users must not be
// able to read. The purpose separates clusters that use the same file: neither can open the
// documents of the other. The error names the file.
func ReadClusterKey(path, purpose string) (*ClusterKey, error) {
	data, _, err := readSecret(path, "/", true)
	if err != nil {
		return nil, err
	}
	secret, err := clusterSecret(path, data)
	if err != nil {
		return nil, err
	}
	return newClusterKey(secret, purpose)
}

// clusterSecret is the secret of a file.
func clusterSecret(path string, data []byte) ([]byte, error) {
	secret := bytes.TrimRight(data, "\r\n")
	if len(secret) < minClusterKey {
		secret = data // random bytes may end like a line
	}
	variety := map[byte]bool{}
	for _, b := range secret {
		variety[b] = true
	}
	if len(secret) < minClusterKey || len(variety) < leastVariety {
		return nil, fmt.Errorf("%s: is too easy to guess, expected at least %d random bytes, as of: head -c 48 /dev/urandom | base64", path, minClusterKey)
	}
	return secret, nil
}

func newClusterKey(secret []byte, purpose string) (*ClusterKey, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "thalassa sessions 1\n"+purpose, sha256.Size)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &ClusterKey{aead}, err
}

// seal makes what open takes, for the same node only.
func (k *ClusterKey) seal(node string, data []byte) []byte {
	nonce := make([]byte, k.aead.NonceSize(), k.aead.NonceSize()+len(data)+k.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return k.aead.Seal(nonce, nonce, data, []byte(node))
}

var errForged = errors.New("is not sealed with this node's key: it is forged, or that node has another key")

func (k *ClusterKey) open(node string, sealed []byte) ([]byte, error) {
	n := k.aead.NonceSize()
	if len(sealed) < n {
		return nil, errForged
	}
	data, err := k.aead.Open(nil, sealed[:n], sealed[n:], []byte(node))
	if err != nil {
		return nil, errForged
	}
	return data, nil
}
