package bootstrap

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"time"
)

const (
	digestBytes   = 16 // of the SHA-256 of a certificate
	secretBytes   = 10
	checksumBytes = 2
	groupLetters  = 7
	maxCode       = 256
)

// A code is what another node needs in order to join: where to ask, whom to trust, and a secret.
type code struct {
	Address netip.AddrPort
	Digest  [digestBytes]byte
	Secret  [secretBytes]byte
	Expires time.Time // in seconds
}

// alphabet has no letters that look like others: I, L, O and U.
func alphabet() *base32.Encoding {
	return base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)
}

// String is the code in groups that can be typed.
func (c code) String() string {
	address := c.Address.Addr().AsSlice()
	b := append([]byte{byte(len(address))}, address...)
	b = binary.BigEndian.AppendUint16(b, c.Address.Port())
	b = binary.BigEndian.AppendUint32(b, uint32(c.Expires.Unix())) //nolint:gosec // until 2106
	b = append(append(b, c.Digest[:]...), c.Secret[:]...)
	sum := sha256.Sum256(b)
	letters := alphabet().EncodeToString(append(b, sum[:checksumBytes]...))
	var groups []string
	for len(letters) > groupLetters {
		groups, letters = append(groups, letters[:groupLetters]), letters[groupLetters:]
	}
	return strings.Join(append(groups, letters), "-")
}

// noCode is what is wrong with a text that is no code.
const noCode = "the groups of letters and digits that thalassa cluster init or invite shows"

// parseCode reads what a person may have typed: in any case, with spaces, and with letters for the
// digits that look like them.
func parseCode(text string) (code, error) {
	var c code
	wrong := errors.New(noCode)
	if len(text) > maxCode {
		return c, wrong
	}
	text = strings.NewReplacer("-", "", " ", "", "\n", "", "\t", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(text))
	b, err := alphabet().DecodeString(text)
	if err != nil || len(b) == 0 || b[0] != 4 && b[0] != 16 {
		return c, wrong
	}
	n := int(b[0])
	if len(b) != 1+n+2+4+digestBytes+secretBytes+checksumBytes {
		return c, wrong
	}
	body, checksum := b[:len(b)-checksumBytes], b[len(b)-checksumBytes:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:checksumBytes], checksum) {
		return c, errors.New("other letters or digits: one of them is wrong")
	}
	address, _ := netip.AddrFromSlice(body[1 : 1+n]) // its length is right
	rest := body[1+n:]
	c.Address = netip.AddrPortFrom(address, binary.BigEndian.Uint16(rest))
	c.Expires = time.Unix(int64(binary.BigEndian.Uint32(rest[2:])), 0)
	copy(c.Digest[:], rest[6:])
	copy(c.Secret[:], rest[6+digestBytes:])
	return c, nil
}
