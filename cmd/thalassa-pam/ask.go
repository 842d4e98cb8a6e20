package main

/*
#include <shadow.h>
#include <stdlib.h>

// is_locked tells whether a password of the shadow file is locked, as by passwd -l.
static int is_locked(const char *name) {
	struct spwd *entry = getspnam(name);
	return entry != NULL && entry->sp_pwdp != NULL && entry->sp_pwdp[0] == '!';
}
*/
import "C"

import (
	"errors"
	"os/user"
	"strings"
	"unsafe"

	"github.com/msteinert/pam/v2"
)

// ask asks PAM: for a login the password, and always whether the account may be used.
func ask(q question, cfg config) answer {
	c := &conversation{password: q.Password}
	t, err := start(q, cfg, c)
	if err != nil {
		return answer{Error: "starting PAM: " + err.Error()}
	}
	defer func() { _ = t.End() }()
	if q.Password != nil {
		if *q.Password == "" || strings.Contains(*q.Password, "\x00") { // C would end it there
			return answer{Wrong: true}
		}
		if err := t.Authenticate(pam.DisallowNullAuthtok | pam.Silent); err != nil {
			return c.failed(err)
		}
	}
	if err := t.AcctMgmt(pam.DisallowNullAuthtok); err != nil {
		return answer{Refused: c.words(err)}
	}
	name, err := t.GetItem(pam.User) // a module may have changed it
	if err != nil || !isName(name) {
		return answer{Error: "PAM names no valid user"}
	}
	if q.Password == nil && isLocked(name) { // which PAM tells only at a login
		return answer{Refused: "the account is locked"}
	}
	groups, err := groupsOf(name)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{User: name, Groups: groups}
}

func start(q question, cfg config, c *conversation) (*pam.Transaction, error) {
	if cfg.directory != "" {
		return pam.StartConfDir(q.Service, q.User, c, cfg.directory)
	}
	return pam.Start(q.Service, q.User, c)
}

// A conversation answers PAM's question for the password once, and keeps PAM's messages.
type conversation struct {
	password *string
	said     []string
}

var errMore = errors.New("PAM asks for more than a password")

// RespondPAM answers one question of PAM.
func (c *conversation) RespondPAM(style pam.Style, text string) (string, error) {
	switch style {
	case pam.PromptEchoOff:
		if c.password == nil {
			return "", errMore
		}
		password := *c.password
		c.password = nil
		return password, nil
	case pam.ErrorMsg, pam.TextInfo:
		const most = 10
		if text = strings.TrimSpace(text); text != "" && len(c.said) < most {
			c.said = append(c.said, text)
		}
		return "", nil
	}
	return "", errMore
}

// failed is the answer to a login that PAM does not accept.
func (c *conversation) failed(err error) answer {
	switch {
	case errors.Is(err, pam.ErrAuth), errors.Is(err, pam.ErrUserUnknown), errors.Is(err, pam.ErrCredInsufficient):
		return answer{Wrong: true}
	case errors.Is(err, pam.ErrAcctExpired), errors.Is(err, pam.ErrCredExpired), errors.Is(err, pam.ErrMaxtries), errors.Is(err, pam.ErrPermDenied):
		return answer{Refused: c.words(err)}
	}
	return answer{Error: c.words(err)}
}

// words are PAM's messages about an error.
func (c *conversation) words(err error) string {
	words := append([]string{err.Error()}, c.said...)
	const most = 500
	text := strings.Join(words, "; ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	return text
}

func isLocked(name string) bool {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	return C.is_locked(text) != 0
}

// groupsOf are the names of a user's groups, as login would set them.
func groupsOf(name string) ([]string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if g, err := user.LookupGroupId(id); err == nil { // a group without a name has no role
			out = append(out, g.Name)
		}
	}
	return out, nil
}
