-- From where a system's push key may be used: a JSON list of blocks of addresses. An empty one: from anywhere.
ALTER TABLE systems ADD COLUMN push_addresses TEXT NOT NULL DEFAULT '[]';
