"""How green a site's energy is by each measure in use, what may be bought, and which rules must be met.

::

    GreenFlows --tally--> GreenTally --(together: several sites)--> green_account --> GreenAccount
    CertificateOffer, ContractOffer --certificate_lot, contract_lot--> Lot --buy--> Purchase
    ShareRule + GreenAccount + Lot --check_rule--> RuleCheck (verdict, what is short, the cheapest purchase)

`advisor.green.dispatched` makes flows of a dispatch; `advisor.green.words` says what each measure counts.
"""
