package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
)

// accessHandlers show who has which rights.
type accessHandlers struct{ authority *auth.Authority }

// A grantDocument is a user, token, certificate or group with its rights as JSON.
type grantDocument struct {
	Kind    string     `json:"kind"` // user, token, certificate; oidc or pam: a group
	Name    string     `json:"name"`
	Role    string     `json:"role"`
	On      []string   `json:"on,omitempty"`      // patterns that the role is limited to; absent: all objects
	See     *bool      `json:"see,omitempty"`     // false: other objects are hidden; absent: the role is not limited
	File    string     `json:"file"`              // tokens or access: the file that has it
	Expires *time.Time `json:"expires,omitempty"` // of a token; absent: never
	Login   *bool      `json:"login,omitempty"`   // of a user: whether it has a password
	Subject string     `json:"subject,omitempty"` // of a certificate, e.g. "dns:ci.example.com"; of a group, who says who is in it
}

// list lists everybody who has rights, without secrets.
func (h accessHandlers) list(c echo.Context) error {
	entries := h.authority.Entries()
	out := make([]grantDocument, 0, len(entries))
	for _, e := range entries {
		d := grantDocument{Kind: string(e.Kind), Name: e.Name, Role: e.Role, On: e.On, File: e.File, Subject: e.Subject}
		if e.On != nil {
			d.See = new(!e.Hides)
		}
		if !e.Expires.IsZero() {
			d.Expires = new(e.Expires.UTC())
		}
		if e.Kind == auth.ByPassword {
			d.Kind, d.Login = "user", new(!e.NoPassword)
		}
		out = append(out, d)
	}
	return respond(c, http.StatusOK, out)
}
