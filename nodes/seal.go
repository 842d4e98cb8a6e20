package nodes

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"sync"
	"time"
)

// A Challenge is what a node wants in the next question.
type Challenge struct {
	Node  string `json:"node"`
	Nonce string `json:"nonce"`
}

// A Question is what an agent asks that of another node.
type Question struct {
	Node  string `json:"node"`  // that is asked
	Nonce string `json:"nonce"` // of its challenge
	Fresh string `json:"fresh"` // chosen by who asks; the answer is sealed with it
	From  string `json:"from"`  // the node that asks
	By    string `json:"by"`    // who wants it
	Job   string `json:"job"`   // of the cluster
	// Service is corosync or pacemaker; empty: both, in their order.
	Service string `json:"service,omitempty"`
	// Begun is when the job was begun, and Until when its time is over, in milliseconds since
	// 1970. A node does nothing for a job that is older than its last one, or over.
	Begun int64 `json:"begun,omitempty"`
	Until int64 `json:"until,omitempty"`
	// Body is an encrypted message, see Messages.Tell; empty: there is none.
	Body string `json:"body,omitempty"`
	Seal string `json:"seal"`

	message []byte // that Body is to carry; nil: there is none
}

// An Answer is a Report with its seal.
type Answer struct {
	Report string `json:"report"` // as JSON
	Seal   string `json:"seal"`
}

// sealOf is the seal of texts, of which none can be taken for another.
func sealOf(key []byte, texts ...string) string {
	mac := hmac.New(sha256.New, key)
	for _, text := range texts {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text)))) //nolint:gosec // bounded by the body of a request
		mac.Write([]byte(text))
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// sealed is the question with its seal.
func (q Question) sealed(key []byte, verb string) Question {
	begun, until := strconv.FormatInt(q.Begun, 10), strconv.FormatInt(q.Until, 10)
	texts := []string{"question", verb, q.Node, q.Nonce, q.Fresh, q.From, q.By, q.Job, q.Service, begun, until}
	if q.Body != "" { // former versions know none
		texts = append(texts, q.Body)
	}
	q.Seal = sealOf(key, texts...)
	return q
}

// isSealed reports whether somebody with the key has asked exactly this.
func (q Question) isSealed(key []byte, verb string) bool {
	return hmac.Equal([]byte(q.Seal), []byte(q.sealed(key, verb).Seal))
}

// answerTo seals a report for a question.
func answerTo(q Question, key []byte, r Report) (Answer, error) {
	text, err := json.Marshal(r)
	return Answer{Report: string(text), Seal: sealOf(key, "answer", q.Node, q.Fresh, string(text))}, err
}

// open is the report of an answer to a question.
func (a Answer) open(q Question, key []byte) (r Report, err error) {
	if !hmac.Equal([]byte(a.Seal), []byte(sealOf(key, "answer", q.Node, q.Fresh, a.Report))) {
		return r, errors.New("its answer has no seal of this cluster")
	}
	if err := json.Unmarshal([]byte(a.Report), &r); err != nil || r.Body == "" {
		return r, err
	}
	r.message, err = unsealed(key, q, "answer", r.Body)
	return r, err
}

// fresh is a text that nobody can foresee.
func fresh() string { return rand.Text() }

// Bounds of challenges.
const (
	nonceLife = 30 * time.Second
	// Used nonces are remembered for twice their life, in case the clock is set back.
	// maxUsed is how many used nonces are known, and maxDrafted how many of messages about drafts, of
	// which there are more: they do not shut out the rest.
	maxUsed, maxDrafted = 4096, 16384
)

// challenges makes nonces that count once and for a while. It keeps those alone that somebody
// with the key has used. Methods may be called concurrently.
type challenges struct {
	now    func() time.Time
	secret []byte

	mu      sync.Mutex
	used    map[string]time.Time
	drafted map[string]time.Time // of messages about drafts
	swept   time.Time
}

func newChallenges(now func() time.Time) *challenges {
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // never fails
	return &challenges{now: now, secret: secret, used: map[string]time.Time{}, drafted: map[string]time.Time{}}
}

// next is a nonce.
func (c *challenges) next() string {
	data := binary.BigEndian.AppendUint64(nil, uint64(c.now().UnixMilli())) //nolint:gosec // after 1970
	random := make([]byte, 8)
	_, _ = rand.Read(random) // never fails
	data = append(data, random...)
	return hex.EncodeToString(append(data, c.tag(data)...))
}

func (c *challenges) tag(data []byte) []byte {
	mac := hmac.New(sha256.New, c.secret)
	mac.Write(data)
	return mac.Sum(nil)[:16]
}

// knows reports whether a nonce is of this agent, and not old.
func (c *challenges) knows(nonce string) bool {
	data, err := hex.DecodeString(nonce)
	if err != nil || len(data) != 32 || !hmac.Equal(data[16:], c.tag(data[:16])) {
		return false
	}
	age := c.now().Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(data)))) //nolint:gosec // as it was made
	return age > -nonceLife && age < nonceLife
}

// use reports whether a nonce was not used before, by a question with any verb.
func (c *challenges) use(nonce, verb string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	pool, most := c.used, maxUsed
	if verb == Drafts {
		pool, most = c.drafted, maxDrafted
	}
	now := c.now()
	if len(pool) >= most || now.Sub(c.swept).Abs() >= nonceLife {
		for _, used := range []map[string]time.Time{c.used, c.drafted} {
			maps.DeleteFunc(used, func(_ string, at time.Time) bool { return now.Sub(at).Abs() >= 2*nonceLife })
		}
		c.swept = now
	}
	_, used := c.used[nonce]
	_, drafted := c.drafted[nonce]
	if used || drafted || len(pool) >= most {
		return false
	}
	pool[nonce] = now
	return true
}
