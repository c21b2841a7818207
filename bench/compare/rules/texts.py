"""The rules as they are written for blaster; the counts agree with the peers' exactly."""

from __future__ import annotations

from bench.compare.rules.workload import CITY3, CITY12, FAM2, FAMILY


def texts(cities: list[str], fact: dict[str, str]) -> dict[str, str]:
    """`fact` says how list and message facts are named: `list_3`, `m1_opened` and so on."""

    def words(codes: list[int]) -> str:
        return ", ".join(f'"{cities[code]}"' for code in codes)

    families = ", ".join(f'"{FAMILY[code]}"' for code in FAM2)
    return {
        "R1": "visits == 9",
        "R2": f"{fact['list_3']} and not {fact['list_17']}",
        "R3": f"{fact['m1_sent']} is set and {fact['m1_opened']} is not set",
        "R4": f"{fact['m1_opened']} within 3d of {fact['m1_sent']}",
        "R5": f"{fact['m2_clicked']} is set or ({fact['m2_opened']} is set and visits > 3)",
        "R6": "birthday anniversary is today",
        "R7": "subscription_end between today and today + 14d",
        # 60 days and a second: `older than` takes its end in, the peers' comparison is strict.
        "R8": "last_purchase older than 5184001s or last_purchase is not set",
        "R9": f"city in [{words(CITY12)}] and family_status in [{families}]",
        "R10": 'age between 25 and 40 and total_spent > 500 and field("consent") == true'
        f" and {fact['m1_bounced']} is not set",
        "R11": f"((visits > 5 or score >= 0.7) and city not in [{words(CITY3)}]"
        f' and (age < 30 or family_status == "{FAMILY[1]}"))'
        ' or (not (total_spent < 100 or not field("consent") == true)'
        " and last_purchase in last 2592001s"  # 30 days ago to the second is in
        f" and not ({fact['list_7']} and {fact['m3_opened']} is set))",
        "R12": 'email ends with "@gmail.com" exactly',
    }


def engine_facts() -> dict[str, str]:
    """As the engine knows them: membership, and what happened to messages."""
    facts = {f"list_{number}": f'list("list_{number}")' for number in (3, 7, 17)}
    for number in (1, 2, 3):
        for what in ("sent", "opened", "clicked", "bounced"):
            facts[f"m{number}_{what}"] = f'email("m{number}").{what}'
    return facts


def column_facts() -> dict[str, str]:
    """As plain columns of a batch."""
    return {name: name for name in engine_facts()}
