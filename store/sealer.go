package store

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// minSecret is the minimum length of the content of a key file, in bytes.
const minSecret = 32

// sealedMark is the beginning of everything that a sealer has encrypted.
const sealedMark = "thalassa sealed 1\n"

// A sealer encrypts texts with AES-256-GCM.
type sealer struct{ aead cipher.AEAD }

// newSealer derives the key from a secret of at least minSecret bytes.
func newSealer(secret []byte) (*sealer, error) {
	secret = bytes.TrimSpace(secret)
	if len(secret) < minSecret {
		return nil, fmt.Errorf("the key file has %d bytes, expected at least %d random ones", len(secret), minSecret)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "thalassa certificates", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("deriving the key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("deriving the key: %w", err)
	}
	return &sealer{aead}, nil
}

// seal encrypts a text; open needs the same name.
func (s *sealer) seal(name string, text []byte) []byte {
	return s.aead.Seal([]byte(sealedMark), nil, text, []byte(name))
}

// open decrypts what seal has made of the text with that name.
func (s *sealer) open(name string, sealed []byte) ([]byte, error) {
	sealed, isSealed := bytes.CutPrefix(sealed, []byte(sealedMark))
	if !isSealed {
		return nil, errors.New("it is not encrypted by this program")
	}
	text, err := s.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, errors.New("it cannot be decrypted: the key file is another one, or the file is damaged")
	}
	return text, nil
}
