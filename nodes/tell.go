package nodes

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"thalassa/lb"
)

// Drafts is the verb of messages about drafts of the cluster's configuration. Unlike other questions
// they have secrets: what they carry is encrypted with a key that follows from that of the cluster.
const Drafts = "drafts"

// MaxQuestion is the maximum size of a question as JSON, in bytes, and of the answer to one that
// carries a message.
const MaxQuestion = 6 << 20

// A Hearer answers a message of another node.
type Hearer func(ctx context.Context, from string, message []byte) ([]byte, error)

// Hears sets what answers messages about drafts; before, there is nobody.
func (l *Local) Hears(drafts Hearer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drafts = drafts
}

// Messages go to the agents of other nodes, and carry drafts.
type Messages struct{ crew *Crew }

// NewMessages are those of a Crew.
func NewMessages(c *Crew) Messages { return Messages{c} }

// Tell passes a message about drafts to the agent of another node, and returns its answer. Nobody
// else can read either. The error is an *UnreachableError unless that node itself has refused, as one
// of a version that knows no such messages.
func (m Messages) Tell(ctx context.Context, node string, message []byte) ([]byte, error) {
	r, err := m.crew.ask(ctx, node, Drafts, Question{message: message})
	if err == nil && r.message == nil {
		err = &UnreachableError{Node: node, Err: errors.New("its answer has no message")}
	}
	return r.message, err
}

const (
	// clusterAgain is how long the key of the cluster counts before Cluster reads it again, and
	// clusterWithin how long it waits for it.
	clusterAgain, clusterWithin = 30 * time.Second, 3 * time.Second
)

// Cluster is a text that another cluster does not have, and that tells nothing of its key, of which it is
// a digest. Empty: the key was not readable since this agent began. It is that of the last key that was.
func (l *Local) Cluster(ctx context.Context) string {
	l.mu.Lock()
	key, age := l.key, l.now().Sub(l.keyAt)
	l.mu.Unlock()
	again := clusterAgain
	if key == nil {
		again = keyAgain
	}
	if age < 0 || age >= again {
		ctx, cancel := context.WithTimeout(ctx, clusterWithin)
		defer cancel()
		if now, err := l.Key(ctx); err == nil {
			key = now
		}
	}
	if key == nil {
		return ""
	}
	id, err := hkdf.Key(sha256.New, key, nil, "thalassa drafts of a cluster", 16)
	if err != nil {
		return ""
	}
	return hex.EncodeToString(id)
}

// answerMessage answers the message of a question.
func (l *Local) answerMessage(ctx context.Context, q Question, key []byte) (r Report, err error) {
	l.mu.Lock()
	drafts := l.drafts
	l.mu.Unlock()
	if drafts == nil {
		return r, &lb.UnavailableError{What: "this node's agent keeps no drafts of the cluster"}
	}
	message, err := unsealed(key, q, "question", q.Body)
	if err != nil {
		return r, errSeal
	}
	answer, err := drafts(ctx, q.From, message)
	if err != nil {
		return r, err
	}
	r.Body, err = encrypted(key, q, "answer", answer)
	return r, err
}

// messageCipher encrypts messages with a key of its own.
func messageCipher(key []byte) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, "thalassa drafts", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("encrypting a message to another node: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("encrypting a message to another node: %w", err)
	}
	return cipher.NewGCM(block)
}

// bound is what a message belongs to, so that it counts nowhere else.
func (q Question) bound(what string) []byte {
	return []byte(strings.Join([]string{what, q.Node, q.From, q.Nonce, q.Fresh}, "\x00"))
}

// encrypted is a message of a question, or of its answer, which what says.
func encrypted(key []byte, q Question, what string, message []byte) (string, error) {
	aead, err := messageCipher(key)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(message)+aead.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return base64.StdEncoding.EncodeToString(aead.Seal(nonce, nonce, message, q.bound(what))), nil
}

// unsealed is the message that was encrypted for a question, or for its answer.
func unsealed(key []byte, q Question, what, text string) ([]byte, error) {
	aead, err := messageCipher(key)
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(data) < aead.NonceSize() {
		return nil, errors.New("it is no message")
	}
	message, err := aead.Open([]byte{}, data[:aead.NonceSize()], data[aead.NonceSize():], q.bound(what))
	if err != nil {
		return nil, errors.New("it is no message of this cluster")
	}
	return message, nil
}
