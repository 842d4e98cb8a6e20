package node

import (
	"slices"
	"strings"
	"time"

	"thalassa/internal/strictjson"
	"thalassa/lb"
	"thalassa/stage"
)

// A DraftEdit is one request that changed a draft.
type DraftEdit struct {
	Number uint64    `json:"number"`
	Time   time.Time `json:"time"`
	Author string    `json:"author"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	// Objects are the ids of those that it changed, sorted.
	Objects []string `json:"objects"`
}

// NewDraftEdits makes the JSON document of edits, newest first.
func NewDraftEdits(edits []stage.DraftEdit) []DraftEdit {
	out := make([]DraftEdit, 0, len(edits))
	for _, e := range slices.Backward(edits) {
		method, path, _ := strings.Cut(e.Cause, " ")
		out = append(out, DraftEdit{Number: e.Number, Time: e.Time, Author: e.Author, Method: method, Path: path, Objects: e.Objects})
	}
	return out
}

// ParseDraftMessage decodes the body that gives a draft another message.
func ParseDraftMessage(body []byte) (string, error) {
	var in struct {
		Message *string `json:"message"`
	}
	if err := strictjson.Decode(body, &in); err != nil {
		return "", err
	}
	var fe lb.FieldErrors
	if in.Message == nil {
		fe.Add("message", "is missing", "a text, which may be empty")
		return "", fe.Err()
	}
	message := strings.TrimSpace(*in.Message)
	fe.AddErr("message", lb.CheckMessage(message))
	return message, fe.Err()
}
