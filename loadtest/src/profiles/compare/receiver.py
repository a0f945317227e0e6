"""What somebody writes who needs a receiver by noon: Flask, one table in SQLite, an answer when it
is committed. Run by gunicorn with one process, because `loadtest compare` gives it one core."""

import os
import sqlite3
import threading

from flask import Flask, request

app = Flask(__name__)
PATH = os.environ["RECEIVER_DATABASE"]
USER, PASSWORD = os.environ["RECEIVER_USER"], os.environ["RECEIVER_PASSWORD"]
local = threading.local()


def database():
    if not hasattr(local, "db"):
        local.db = sqlite3.connect(PATH, timeout=30)
        local.db.execute("PRAGMA journal_mode = WAL")
        local.db.execute("PRAGMA synchronous = FULL")
    return local.db


with sqlite3.connect(PATH) as db:
    db.execute("CREATE TABLE IF NOT EXISTS delivery (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")


@app.get("/")
def index():
    return "OK"


@app.post("/hook")
def hook():
    given = request.authorization
    if given is None or (given.username, given.password) != (USER, PASSWORD):
        return "", 401
    with database() as db:
        db.execute("INSERT INTO delivery (body) VALUES (?)", (request.get_data(),))
    return "", 202
