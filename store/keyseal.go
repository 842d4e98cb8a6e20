package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"filippo.io/age"

	"thalassa/backup"
	"thalassa/lb"
)

const (
	// MinPassphrase is the minimum length of a passphrase, in bytes.
	MinPassphrase = 12
	// MaxPassphrase is the maximum length, in bytes.
	MaxPassphrase = 1024
	// sealWork is the work factor of scrypt: 64 MiB of memory for a third of a second.
	sealWork = 16
	// maxSealWork is the largest work factor that is accepted: 128 MiB of memory.
	maxSealWork = 17
	// maxSealedKeys bounds what is encrypted, in bytes.
	maxSealedKeys = backup.MaxBytes / 2
)

// keysDoc is the entry of a backup with keys.
type keysDoc struct {
	// Age is a file in the format of age (age-encryption.org/v1), encrypted with a passphrase. It
	// contains a JSON object of texts in PEM by digest.
	Age []byte `json:"age"`
}

// CheckPassphrase refuses a passphrase that is too short or too long. The error is an
// *lb.InvalidError about the field passphrase.
func CheckPassphrase(passphrase string) error {
	var fe lb.FieldErrors
	if n := len(passphrase); n < MinPassphrase || n > MaxPassphrase {
		fe.Add("passphrase", "has "+strconv.Itoa(n)+" bytes", strconv.Itoa(MinPassphrase)+" to "+strconv.Itoa(MaxPassphrase)+" bytes")
	}
	return fe.Err()
}

// SealTexts encrypts texts by digest with a passphrase. The error is that of CheckPassphrase, or a
// *backup.TooLargeError.
func SealTexts(texts map[string][]byte, passphrase string) ([]byte, error) {
	if err := CheckPassphrase(passphrase); err != nil {
		return nil, err
	}
	plain := make(map[string]string, len(texts))
	for digest, text := range texts {
		plain[digest] = string(text)
	}
	data, err := json.Marshal(plain)
	if err != nil {
		return nil, fmt.Errorf("encoding the keys: %w", err)
	}
	if len(data) > maxSealedKeys {
		return nil, &backup.TooLargeError{Size: len(data)}
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("encrypting the keys: %w", err)
	}
	recipient.SetWorkFactor(sealWork)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipient)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("encrypting the keys: %w", err)
	}
	return out.Bytes(), nil
}

// OpenTexts decrypts what SealTexts has made, and checks each text against its digest. The error is
// an *lb.InvalidError, of the field passphrase where the passphrase is wrong.
func OpenTexts(sealed []byte, passphrase string) (map[string][]byte, error) {
	if err := CheckPassphrase(passphrase); err != nil {
		return nil, err
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("decrypting the keys: %w", err)
	}
	identity.SetMaxWorkFactor(maxSealWork)
	var fe lb.FieldErrors
	var plain map[string]string
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	if err == nil {
		var data []byte
		if data, err = io.ReadAll(io.LimitReader(r, maxSealedKeys)); err == nil {
			err = json.Unmarshal(data, &plain)
		}
	}
	switch {
	case errors.As(err, new(*age.NoIdentityMatchError)):
		fe.Add("passphrase", "does not open the keys of the backup", "that with which the backup was made")
	case err != nil: // the text is a secret
		fe.Add("body", "the keys of the backup are damaged", "the backup as it was made")
	}
	out := make(map[string][]byte, len(plain))
	for digest, text := range plain {
		if digestOfText([]byte(text)) != digest {
			fe.Add("body", "the keys of the backup are damaged: one does not have its digest", "the backup as it was made")
			break
		}
		out[digest] = []byte(text)
	}
	if err := fe.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

// Seal is SealTexts.
func (Backups) Seal(texts map[string][]byte, passphrase string) ([]byte, error) {
	return SealTexts(texts, passphrase)
}

// Open is OpenTexts.
func (Backups) Open(sealed []byte, passphrase string) (map[string][]byte, error) {
	return OpenTexts(sealed, passphrase)
}
