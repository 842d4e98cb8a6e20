package auth

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// A ClusterKey encrypts and authenticates what the agents of a cluster tell each other: nobody
// else can read or forge it. All methods may be called concurrently.
type ClusterKey struct {
	aead cipher.AEAD
	id   string
}

// ID tells keys apart, and nothing else of them: 16 hexadecimal digits.
func (k *ClusterKey) ID() string { return k.id }

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
	secret, err := readClusterSecret(path)
	if err != nil {
		return nil, err
	}
	return newClusterKey(secret, purpose)
}

// seedSize is the length of a seed: 16 bytes more than a key of P-256 needs, so that the key
// that is computed from it is as good as a random one (FIPS 186-5, A.2.1).
const seedSize = 48

// ReadClusterSeed reads the same file, and returns secret bytes for another purpose: the same
// on all nodes that have the file. Nothing about the file, or other purposes, follows from
// them.
func ReadClusterSeed(path, purpose string) ([]byte, error) {
	secret, err := readClusterSecret(path)
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha256.New, secret, nil, purpose, seedSize)
}

// readClusterSecret reads the secret of a file that belongs to root or to this process's user.
func readClusterSecret(path string) ([]byte, error) {
	data, _, err := readSecret(path, "/", true)
	if err != nil {
		return nil, err
	}
	return clusterSecret(path, data)
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
	id, err := hkdf.Key(sha256.New, secret, nil, "thalassa id 1\n"+purpose, 8)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &ClusterKey{aead, hex.EncodeToString(id)}, err
}

// Seal encrypts data. Open takes it under the same name only, which is that of a node or of
// whatever has the data.
func (k *ClusterKey) Seal(name string, data []byte) []byte {
	nonce := make([]byte, k.aead.NonceSize(), k.aead.NonceSize()+len(data)+k.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return k.aead.Seal(nonce, nonce, data, []byte(name))
}

var errForged = errors.New("is not sealed with this node's key: it is forged, or that node has another key")

// Open decrypts what Seal has made. The error is the same whatever is wrong.
func (k *ClusterKey) Open(name string, sealed []byte) ([]byte, error) {
	n := k.aead.NonceSize()
	if len(sealed) < n {
		return nil, errForged
	}
	data, err := k.aead.Open(nil, sealed[:n], sealed[n:], []byte(name))
	if err != nil {
		return nil, errForged
	}
	return data, nil
}
