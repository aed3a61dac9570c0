package cfb8

// Open decrypts stored, an IV and ciphertext, into dst, which must not overlap
// it and gets len(stored)-IVSize bytes; dst is as long, at least. What is
// shorter than an IV is KindInvalid.
func Open(dst, stored []byte, key *Key) ([]byte, error) {
	return open(dst, stored, key, best())
}

func open(dst, stored []byte, key *Key, p path) ([]byte, error) {
	if len(stored) < IVSize {
		return nil, short(len(stored))
	}
	dst = dst[:len(stored)-IVSize]
	newSchedule(key, p).decrypt(dst, stored)
	return dst, nil
}

// Seal encrypts text in place; it goes behind iv. An IV must never serve twice
// with one key.
func (e *Encryptor) Seal(text []byte, key *Key, iv [IVSize]byte) { e.seal(text, key, iv, best()) }

func (e *Encryptor) seal(text []byte, key *Key, iv [IVSize]byte, p path) {
	if len(text) == 0 {
		return
	}
	s := newSchedule(key, p)
	register := iv
	if p == portable {
		s.encrypt(&register, text)
		return
	}
	e.encrypt(&work{keys: &s.keys, register: &register, text: text, turn: make(chan bool, 1)})
}
