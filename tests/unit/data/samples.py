"""Small LoCoMo samples, written for the tests."""

from __future__ import annotations

from typing import Any


def tiny_locomo() -> dict[str, Any]:
    """One conversation with the traps of the real file; a fresh copy at each call."""
    return {
        "sample_id": "conv-1",
        "conversation": {
            "speaker_a": "Ana",
            "speaker_b": "Bo",
            "session_1_date_time": "12:05 am on 8 May, 2023",
            "session_1": [
                {"speaker": "Ana", "dia_id": "D1:1", "text": "I moved to Lodz."},
                {"speaker": "Bo", "dia_id": "D1:2", "text": "Look!", "blip_caption": "a red car", "img_url": ["x"]},
            ],
            "session_2_date_time": "1:56 pm on 25 May, 2023",
            "session_3_date_time": "12:30 pm on 9 June, 2023",
            "session_3": [{"speaker": "Bo", "dia_id": "D3:1", "text": "I sold the car."}],
            "session_4_date_time": "2:00 pm on 1 July, 2023",
            "session_4": [],
        },
        "qa": [
            {"question": "Where does Ana live?", "answer": "Lodz", "evidence": ["D1:1"], "category": 4},
            {"question": "How many cars?", "answer": 1, "evidence": ["D1:2; D3:01"], "category": 1},
            {"question": "When was the car sold?", "answer": "June 2023", "evidence": ["D:3:1", "D"], "category": 2},
            {"question": "Would Bo cycle?", "answer": "Likely yes", "evidence": [], "category": 3},
            {"question": "Where does Bo live?", "adversarial_answer": "Lodz", "evidence": ["D1:1"], "category": 5},
            {
                "question": "Is it Ana's car?",
                "answer": "No",
                "adversarial_answer": "Yes",
                "evidence": ["D1:2"],
                "category": 5,
            },
            {"question": "What colour?", "answer": "red", "evidence": ["D1:2", "D1:2", "D9:9"], "category": 4},
        ],
        "event_summary": {},
    }
