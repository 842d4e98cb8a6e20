package api

import (
	"encoding/base64"
	"fmt"

	"github.com/labstack/echo/v4"

	"thalassa/lb"
	"thalassa/stage"
)

const (
	// passphraseHeader has the passphrase for the keys in a backup, in base64. A URL would be
	// logged.
	passphraseHeader = "Thalassa-Passphrase"
	// withKeys is what the audit log says of a backup or a restore with keys.
	withKeys = "keys of certificates"
)

// passphraseOf is the passphrase of a request; empty: there is none.
func passphraseOf(c echo.Context) (string, error) {
	values := c.Request().Header.Values(passphraseHeader)
	if len(values) == 0 {
		return "", nil
	}
	secret, err := base64.StdEncoding.DecodeString(values[0])
	if err != nil || len(values) > 1 || len(secret) == 0 {
		return "", invalidField(passphraseHeader, "is not one passphrase in base64", "base64 after RFC 4648")
	}
	return string(secret), nil
}

// sealed returns the encrypted keys of all certificates in a backup.
func (h backupHandlers) sealed(b stage.Backup, secret string) ([]byte, error) {
	if h.cfg.Keys == nil {
		return nil, unavailableFailure("certificates are not stored here")
	}
	texts := map[string][]byte{}
	for _, digest := range b.Digests() {
		text, err := h.cfg.Keys.Text(digest)
		if err != nil {
			return nil, &lb.UnavailableError{What: fmt.Sprintf("the key of a certificate (SHA-256 %s) cannot be read", digest)}
		}
		texts[digest] = text
	}
	return h.cfg.Backups.Seal(texts, secret)
}

// open decrypts the keys of a backup: those that it names, by their digests.
func (h backupHandlers) open(c echo.Context, b stage.Backup, secret string) (map[string][]byte, error) {
	if secret == "" {
		return nil, nil
	}
	c.Set(objectKey, withKeys)
	switch {
	case h.cfg.Keys == nil:
		return nil, unavailableFailure("certificates are not stored here")
	case len(b.Keys) == 0:
		return nil, invalidField("passphrase", "is given, and the backup has no keys", "no passphrase, or a backup with keys")
	}
	texts, err := h.cfg.Backups.Open(b.Keys, secret)
	if err != nil {
		return nil, err
	}
	named := map[string][]byte{}
	for _, digest := range b.Digests() {
		if text, ok := texts[digest]; ok {
			named[digest] = text
		}
	}
	return named, nil
}
